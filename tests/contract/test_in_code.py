"""`tradespan.configure()` in code: no `tradespan run`, the bot's own process forwards."""

from __future__ import annotations

import json
import socket

import pytest

from tests.contract.desk import TRADESPAN, Desk, eventually, ids, make_newer
from tests.support.receiver import Receiver

BOT = """
    import sys
    import tradespan
    from opentelemetry import trace

    runtime = tradespan.configure(service="coded", root="root", {settings})
    tracer = trace.get_tracer("by.hand", "1.2")

    @tradespan.monitor
    def work(number):
        with tracer.start_as_current_span("inner") as span:
            span.set_attribute("trading.symbol", "AAPL")
        return number

    for number in range(50):
        work(number)
    {end}
    """


def write_bot(desk: Desk, settings: str = "", end: str = "print('done')") -> str:
    desk.write("bot.py", BOT.format(settings=settings, end=end))
    return "bot.py"


def dead_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_spans_are_delivered_at_exit_to_store_and_receiver(desk: Desk, receiver: Receiver) -> None:
    ended = desk.python(write_bot(desk, f"endpoint={receiver.address!r}"))
    assert (ended.status, ended.out, ended.err) == (0, "done\n", "")
    assert len(set(ids(receiver.spans))) == len(receiver.spans) == 100
    assert ids(desk.stored()) == ids(receiver.spans)
    spans = {span.span_id: span for span in receiver.spans}
    inner = [span for span in receiver.spans if span.name == "inner"]
    assert len(inner) == 50
    for span in inner:
        assert spans[span.parent_id].name.endswith("work")
        assert spans[span.parent_id].trace_id == span.trace_id
        assert (span.scope_name, span.scope_version) == ("by.hand", "1.2")
        assert span.attributes["trading.symbol"] == "AAPL"
    assert {span.resource["service.name"] for span in receiver.spans} == {"coded"}


def test_dead_receiver_delays_the_exit_by_a_second_and_loses_nothing(desk: Desk) -> None:
    alone = desk.python(write_bot(desk))
    assert alone.status == 0
    endpoint = dead_endpoint()
    down = desk.python(write_bot(desk, f"endpoint={endpoint!r}"))
    assert (down.status, down.out) == (0, "done\n")
    assert down.seconds < alone.seconds + 1.0 + 1.5, "a second; the rest is a slow machine's"
    with Receiver(int(endpoint.rpartition(":")[2])) as receiver:
        assert desk.tradespan("agent", "--once", "root").status == 0
        assert len(set(ids(receiver.spans))) == len(receiver.spans) == 100


def test_next_start_delivers_what_the_earlier_left(desk: Desk) -> None:
    endpoint = dead_endpoint()
    bot = write_bot(desk, f"endpoint={endpoint!r}")
    desk.python(bot)
    with Receiver(int(endpoint.rpartition(":")[2])) as receiver:
        # The first run's records are not what the second's end waits for.
        assert desk.python(write_bot(desk, f"endpoint={endpoint!r}", end=WAIT)).status == 0
        assert len(set(ids(receiver.spans))) == len(receiver.spans) == 200
        assert ids(receiver.spans) == ids(desk.stored())


WAIT = """
    import threading
    from pathlib import Path
    pause = threading.Event()
    for _ in range(2000):
        segments = Path("root/runs").glob("*/*.seg")
        if all(path.parent.name == runtime.folder.path.name for path in segments):
            break
        pause.wait(0.01)
"""


def test_flush_waits_until_all_is_delivered(desk: Desk, receiver: Receiver) -> None:
    end = "print(tradespan.flush(20), flush=True); sys.stdin.readline()"
    program = desk.start_python(write_bot(desk, f"endpoint={receiver.address!r}", end))
    assert program.line() == "True"
    assert len(receiver.spans) == 100
    assert len(desk.stored()) == 100
    assert program.end().status == 0
    assert len(receiver.spans) == 100


def test_flush_says_when_not_all_was_delivered(desk: Desk) -> None:
    end = "print(tradespan.flush(20)); print(tradespan.flush(0))"
    ended = desk.python(write_bot(desk, f"endpoint={dead_endpoint()!r}", end))
    assert ended.out == "False\nFalse\n"
    assert len(desk.stored()) == 100


def test_shutdown_delivers_and_ends_recording(desk: Desk, receiver: Receiver) -> None:
    end = "print(tradespan.shutdown(20)); print(work(7)); print(tradespan.shutdown())"
    ended = desk.python(write_bot(desk, f"endpoint={receiver.address!r}", end))
    assert (ended.status, ended.out, ended.err) == (0, "True\n7\nTrue\n", "")
    assert len(receiver.spans) == 100


def test_configure_with_the_same_values_gives_the_same_runtime(desk: Desk) -> None:
    end = "print(tradespan.configure(service='coded', root='root') is runtime)"
    assert desk.python(write_bot(desk, end=end)).out == "True\n"
    assert len(desk.folders()) == 1


def test_configure_with_other_values_names_both(desk: Desk) -> None:
    end = """
    from tradespan.core.errors import AlreadyConfigured
    try:
        tradespan.configure(service="other", root="root")
    except AlreadyConfigured as error:
        print(error)
    """
    ended = desk.python(write_bot(desk, end=end))
    assert ended.out.startswith(
        "tradespan is already configured: "
        "service.name is coded (argument service), not other (argument service)"
    )
    assert ended.err == ""


def test_configure_after_shutdown_begins_anew(desk: Desk) -> None:
    end = "tradespan.shutdown(20); tradespan.configure(service='again', root='root'); work(7)"
    ended = desk.python(write_bot(desk, end=end))
    assert (ended.status, ended.err) == (0, "")
    services = [span.resource["service.name"] for span in desk.stored()]
    assert (services.count("coded"), services.count("again")) == (100, 2)


def test_unknown_argument_is_named_with_a_near_one(desk: Desk) -> None:
    ended = desk.python(write_bot(desk, "endpont='http://localhost:1'"))
    assert ended.status == 1
    assert ended.err.splitlines()[-1].endswith(
        "Unknown setting: argument endpont; did you mean endpoint?"
    )


def test_store_of_a_newer_version_is_left_untouched_and_the_exit_waits_a_second(
    desk: Desk,
) -> None:
    alone = desk.python(write_bot(desk))
    content = make_newer(desk.store)
    ended = desk.python(write_bot(desk))
    assert (ended.status, ended.out) == (0, "done\n")
    assert ended.err.count(f"The store {desk.store} has schema 99") == 1
    assert ended.seconds < alone.seconds + 1.0 + 1.5, "a second; the rest is a slow machine's"
    assert desk.store.read_bytes() == content


def test_without_a_store_only_the_receiver_gets_spans(desk: Desk, receiver: Receiver) -> None:
    ended = desk.python(write_bot(desk, f"endpoint={receiver.address!r}, store=None"))
    assert (ended.status, ended.err) == (0, "")
    assert len(receiver.spans) == 100
    assert not desk.store.exists()


def test_with_neither_store_nor_receiver_records_stay_in_the_spool(desk: Desk) -> None:
    ended = desk.python(write_bot(desk, "store=None"))
    assert (ended.status, ended.out, ended.err) == (0, "done\n", "")
    assert desk.folder_of_run.segments()


def test_store_of_its_own_is_used(desk: Desk) -> None:
    ended = desk.python(write_bot(desk, "store='elsewhere/my.db'"))
    assert ended.status == 0
    assert len(desk.stored(desk.folder / "elsewhere" / "my.db")) == 100
    assert not desk.store.exists()


def test_spool_folder_that_is_named_is_a_root_of_its_own(desk: Desk) -> None:
    desk.write(
        "bot.py",
        """
        import tradespan
        tradespan.configure(spool="mine")
        @tradespan.monitor
        def work(): pass
        work()
        """,
    )
    assert desk.python("bot.py").status == 0
    assert len(desk.stored(desk.folder / "mine" / "store.db")) == 1
    assert not (desk.folder / "state").exists()


def test_external_forwarder_leaves_delivery_to_an_agent_beside_it(
    desk: Desk, receiver: Receiver
) -> None:
    agent = desk.start(TRADESPAN, "agent", "root", "--endpoint", receiver.address)
    eventually(desk.agent, "the agent")
    settings = f"forwarder='external', endpoint={receiver.address!r}"
    end = "import threading; print(threading.active_count(), tradespan.flush())"
    ended = desk.python(write_bot(desk, settings, end))
    assert (ended.status, ended.out, ended.err) == (0, "1 True\n", "")
    received = receiver.wait_for(lambda spans: len(spans) == 100)
    eventually(lambda: ids(desk.stored()) == ids(received))
    eventually(lambda: not desk.folder_of_run.segments(), "segments to be deleted")
    agent.process.terminate()
    assert agent.end().status == 0


def test_external_forwarder_without_an_agent_keeps_everything_for_later(desk: Desk) -> None:
    ended = desk.python(write_bot(desk, "forwarder='external'"))
    assert ended.status == 0
    assert not desk.store.exists()
    assert desk.tradespan("agent", "--once", "root").status == 0
    assert len(desk.stored()) == 100


def test_killed_process_has_left_every_span_that_had_ended(desk: Desk) -> None:
    end = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert desk.python(write_bot(desk, end=end)).status == -9
    assert desk.tradespan("agent", "--once", "root").status == 0
    assert len(desk.stored()) == 100


def test_functions_of_a_module_are_watched_by_regex(desk: Desk) -> None:
    desk.write(
        "strategy.py",
        """
        class Momentum:
            def decide(self, number): return self._score(number)
            def _score(self, number): return number
        def load(): pass
        """,
    )
    desk.write(
        "bot.py",
        """
        import strategy
        import tradespan
        tradespan.configure(root="root")
        print(sorted(tradespan.instrument(strategy, include=r"strategy\\.Momentum\\..*")))
        print(tradespan.instrument("later", exclude=r".*\\.hidden"))
        strategy.Momentum().decide(1)
        strategy.load()
        import later
        later.shown()
        later.hidden()
        """,
    )
    desk.write("later.py", "def shown(): pass\ndef hidden(): pass\n")
    ended = desk.python("bot.py")
    assert ended.err == ""
    assert ended.out == "['strategy.Momentum._score', 'strategy.Momentum.decide']\n[]\n"
    assert desk.stored_names() == [
        "later.shown",
        "strategy.Momentum._score",
        "strategy.Momentum.decide",
    ]


def test_monitored_functions_pass_through_until_configured(desk: Desk) -> None:
    desk.write(
        "bot.py",
        """
        import tradespan
        @tradespan.monitor
        def work(number): return number
        print(work(1))
        tradespan.configure(root="root")
        print(work(2))
        """,
    )
    ended = desk.python("bot.py")
    assert (ended.status, ended.out, ended.err) == (0, "1\n2\n", "")
    assert desk.stored_numbers() == [2]


@pytest.mark.parametrize("name", ["OTEL_SDK_DISABLED", "TRADESPAN_DISABLED"])
def test_switched_off_by_the_environment_it_records_nothing(desk: Desk, name: str) -> None:
    ended = desk.python(write_bot(desk), environment={name: "true"})
    assert (ended.status, ended.out, ended.err) == (0, "done\n", "")
    assert not desk.root.exists()


def test_root_that_cannot_be_used_is_warned_of_and_the_bot_runs(desk: Desk) -> None:
    desk.write("root", "a file")
    ended = desk.python(write_bot(desk, end="print('done', runtime.enabled)"))
    assert (ended.status, ended.out) == (0, "done False\n")
    assert ended.err.count("\n") == 1
    assert f"The spool directory {desk.root} (argument root) cannot be used: " in ended.err


def test_configure_under_tradespan_run_joins_the_run(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT.format(settings="", end="print(runtime.injected)"))
    ended = desk.run(bot)
    assert (ended.status, ended.out) == (0, "True\n")
    assert "tradespan run has configured this process already" in ended.err
    assert ended.err.count("\n") == 1
    assert len(desk.stored()) == 100
    described = json.loads((desk.folder_of_run.path / "run.json").read_text())
    assert described["service"] == "bot"


def test_end_of_a_worker_waits_for_no_verdict_of_another_ones_agent(desk: Desk) -> None:
    script = desk.write(
        "worker.py",
        """
        import sys, time
        import tradespan

        tradespan.configure(root="root", forwarder="thread", drain=600.0)

        @tradespan.monitor
        def work(number):
            return number

        work(1)
        if "serve" in sys.argv:
            print("up", flush=True)
            sys.stdin.read()
        """,
    )
    patient = {"TRADESPAN_SAMPLING_SHARE": "0.5", "TRADESPAN_SAMPLING_WAIT": "600"}
    first = desk.start_python(script, "serve", environment=patient)
    assert first.line() == "up"
    eventually((desk.root / "agent.json").exists, "an agent")
    # It ends though nobody will judge its traces before the end of all patience.
    second = desk.python(script)
    assert (second.status, second.err) == (0, "")
    assert first.end().status == 0
