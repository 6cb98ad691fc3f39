"""Traces over processes: W3C in the environment, pools of processes, functions sent by name."""

from __future__ import annotations

import pytest

from tests.contract.desk import Desk, Ended, resources_of
from tests.support.captured import CapturedSpan, read_spans

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
REMOTE = 0b10_0000

HEAD = """
import json, os, subprocess, sys, threading
import tradespan
from opentelemetry import trace
tradespan.configure(root="root", store=None, forwarder="external")

@tradespan.monitor
def leaf(n):
    return n

"""


def run(desk: Desk, code: str, **environment: str) -> Ended:
    ended = desk.python("-W", "error", desk.write("bot.py", HEAD + code), environment=environment)
    assert (ended.status, ended.err) == (0, "")
    return ended


def spans_of(desk: Desk) -> dict[str, list[CapturedSpan]]:
    spans: dict[str, list[CapturedSpan]] = {}
    for span in read_spans(desk.root):
        spans.setdefault(span.name.rpartition(".")[2], []).append(span)
    return spans


# ── a parent in the environment ─────────────────────────────────────────────────────────────────


def test_roots_of_a_process_with_a_traceparent_are_its_children(desk: Desk) -> None:
    run(
        desk,
        """
@tradespan.monitor
def outer():
    leaf(1)

outer()
with trace.get_tracer("by.hand").start_as_current_span("manual"):
    leaf(2)
thread = threading.Thread(target=leaf, args=(3,))
thread.start()
thread.join()
""",
        TRACEPARENT=TRACEPARENT,
        TRACESTATE="venue=demo,desk=7",
    )
    spans = spans_of(desk)
    inside, below_manual, in_thread = spans["leaf"]
    for root in (spans["outer"][0], spans["manual"][0], in_thread):
        assert f"{root.parent_id:016x}" == PARENT
        assert root.record.flags & REMOTE
    for span in (spans["outer"][0], inside, in_thread):
        assert span.record.trace_state == "venue=demo,desk=7"
    assert inside.parent_id == spans["outer"][0].span_id
    assert below_manual.parent_id == spans["manual"][0].span_id
    assert not inside.record.flags & REMOTE
    everything = [span for each in spans.values() for span in each]
    assert {f"{span.trace_id:032x}" for span in everything} == {TRACE}


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}",
    ],
)
def test_a_traceparent_that_is_none_is_as_good_as_missing(desk: Desk, bad: str) -> None:
    run(desk, "leaf(1)\nleaf(2)\n", TRACEPARENT=bad, TRACESTATE="venue=demo")
    first, second = spans_of(desk)["leaf"]
    assert first.parent_id == second.parent_id == 0
    assert first.trace_id != second.trace_id
    assert first.record.trace_state == ""


def test_a_bad_tracestate_costs_only_itself(desk: Desk) -> None:
    # OpenTelemetry's propagator logs a line about it, which is no harm.
    bot = desk.write("bot.py", HEAD + "leaf(1)\n")
    environment = {"TRACEPARENT": TRACEPARENT, "TRACESTATE": "?? ,,"}
    assert desk.python(bot, environment=environment).status == 0
    assert f"{spans_of(desk)['leaf'][0].parent_id:016x}" == PARENT


def test_a_program_under_run_continues_the_trace_too(desk: Desk) -> None:
    bot = desk.write("bot.py", "def work(number): pass\nwork(1)\n")
    ended = desk.run("-i", r"bot\.work", bot, environment={"TRACEPARENT": TRACEPARENT})
    assert ended.status == 0
    (span,) = desk.stored()
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)


# ── child_environment ───────────────────────────────────────────────────────────────────────────

STARTS_A_CHILD = """
@tradespan.monitor
def start():
    code = "import bot_child; bot_child.leaf(1)"
    subprocess.run([sys.executable, "-c", code], env=tradespan.child_environment(), check=True)

start()
leaf(2)
"""


def test_a_child_process_continues_its_parents_trace(desk: Desk) -> None:
    desk.write("bot_child.py", HEAD)
    run(desk, STARTS_A_CHILD)
    (start,) = spans_of(desk)["start"]
    child, own = spans_of(desk)["leaf"]
    assert (child.parent_id, child.trace_id) == (start.span_id, start.trace_id)
    assert child.instance != start.instance
    assert (own.parent_id, own.instance) == (0, start.instance)
    assert start.record.start <= child.record.start <= child.record.end <= start.record.end


def test_a_chain_of_processes_is_one_trace_with_its_tracestate(desk: Desk) -> None:
    desk.write("bot_child.py", HEAD)
    run(desk, STARTS_A_CHILD, TRACEPARENT=TRACEPARENT, TRACESTATE="venue=demo")
    (start,) = spans_of(desk)["start"]
    child = spans_of(desk)["leaf"][0]
    assert (f"{start.trace_id:032x}", f"{start.parent_id:016x}") == (TRACE, PARENT)
    assert (child.trace_id, child.parent_id) == (start.trace_id, start.span_id)
    assert child.record.trace_state == "venue=demo"


def test_the_environment_given_is_copied_and_the_span_put_in(desk: Desk) -> None:
    out = run(
        desk,
        """
@tradespan.monitor
def outer(given):
    span = trace.get_current_span().get_span_context()
    made = tradespan.child_environment(given)
    assert made is not given
    assert given == {"A": "1", "TRACEPARENT": "old", "TRACESTATE": "old=1"}
    assert type(made) is dict
    assert made.pop("TRACEPARENT") == (
        f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
    )
    assert made == {"A": "1"}, "the state of another trace is not this one's"

    before = dict(os.environ)
    ours = tradespan.child_environment()
    assert dict(os.environ) == before
    assert set(ours) - set(before) == {"TRACEPARENT"}
    print(ours["TRACEPARENT"])

outer({"A": "1", "TRACEPARENT": "old", "TRACESTATE": "old=1"})
""",
    ).out
    (outer,) = spans_of(desk)["outer"]
    assert out.split("-")[1:3] == [f"{outer.trace_id:032x}", f"{outer.span_id:016x}"]


def test_without_a_span_nothing_is_put_in(desk: Desk) -> None:
    out = run(
        desk,
        """
assert tradespan.child_environment() == dict(os.environ)
print(tradespan.child_environment({"A": "1"}))
""",
    ).out
    assert out == "{'A': '1'}\n"


def test_without_a_span_the_process_passes_on_its_own_parent(desk: Desk) -> None:
    out = run(
        desk,
        "print(tradespan.child_environment()['TRACEPARENT'])\n",
        TRACEPARENT=TRACEPARENT,
    ).out
    assert out == f"{TRACEPARENT}\n"


def test_before_anything_is_configured_the_environment_is_only_copied(desk: Desk) -> None:
    code = "import os, tradespan; print(tradespan.child_environment() == dict(os.environ))"
    ended = desk.python("-c", code)
    assert (ended.status, ended.out, ended.err) == (0, "True\n", "")


# ── pools of processes ──────────────────────────────────────────────────────────────────────────

POOL = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    import jobs

    if __name__ == "__main__":
        method = multiprocessing.get_context({method!r})
        with ProcessPoolExecutor(2, mp_context=method) as pool:
            print(sum(pool.map(jobs.work, range(10))))
            print(pool.submit(jobs.Desk("A").place, 10).result())
            failed = pool.submit(jobs.fail, 11).exception()
            print(type(failed).__name__, failed)
            print(pool.submit(jobs.give, jobs.work).result() is jobs.work)
    """
JOBS = """
    import tradespan

    @tradespan.monitor
    def work(number):
        return number

    @tradespan.monitor
    def fail(number):
        raise ValueError(f"no {number}")

    def give(function):
        return function

    class Desk:
        def __init__(self, name):
            self.name = name

        @tradespan.monitor
        def place(self, number):
            return f"{self.name} {number}"
    """
ANSWER = "45\nA 10\nValueError no 11\nTrue\n"
methods = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])


@methods
def test_watched_functions_go_to_workers_by_their_name(desk: Desk, method: str) -> None:
    desk.write("jobs.py", JOBS)
    ended = desk.python(desk.write("bot.py", POOL.format(method=method)))
    assert (ended.status, ended.out, ended.err) == (0, ANSWER, "")


@methods
def test_calls_in_workers_are_recorded_under_run(desk: Desk, method: str) -> None:
    desk.write("jobs.py", JOBS)
    ended = desk.run(desk.write("bot.py", POOL.format(method=method)))
    assert (ended.status, ended.out, ended.err) == (0, ANSWER, "")
    assert desk.stored_numbers() == list(range(12))
    assert [span.name for span in desk.stored() if span.status == "ERROR"] == ["jobs.fail"]
    assert all("process.pid" in span.resource for span in desk.stored())
    assert 1 <= len(resources_of(desk.stored())) <= 2


def test_a_generator_begun_before_a_fork_is_the_parents_to_record(desk: Desk) -> None:
    out = run(
        desk,
        """
@tradespan.monitor
def ticks(count):
    for n in range(count):
        yield leaf(n)

generator = ticks(3)
next(generator)
child = os.fork()
if child == 0:
    print(list(generator), flush=True)
    sys.exit()
os.waitpid(child, 0)
print(list(generator))
""",
    ).out
    assert out == "[1, 2]\n[1, 2]\n"
    spans = spans_of(desk)
    (ticks,) = spans["ticks"]
    assert ticks.own == {"tradespan.generator.items": 3}
    own = [span.arguments["n"] for span in spans["leaf"] if span.instance == ticks.instance]
    assert own == [0, 1, 2]


def test_a_forked_child_continues_the_trace_it_was_forked_in(desk: Desk) -> None:
    run(
        desk,
        """
@tradespan.monitor
def outer():
    child = os.fork()
    if child == 0:
        leaf(1)
        os._exit(0)
    os.waitpid(child, 0)

outer()
""",
    )
    (outer,), (child,) = spans_of(desk)["outer"], spans_of(desk)["leaf"]
    assert (child.parent_id, child.trace_id) == (outer.span_id, outer.trace_id)
    assert child.instance != outer.instance
