"""Exemplars of a real run: kept calls only, each to be found by the id that it is shown with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.desk import Desk
from tests.support.receiver import Receiver

BOT = """
    import tradespan
    {configure}

    @tradespan.monitor
    def kept(number):
        return sum(range(number * 2000))

    @tradespan.monitor(sample_rate=0.0)
    def unkept(number):
        return number

    @tradespan.monitor(sample_rate=0.0)
    def failing(number):
        if number % 10 == 0:
            raise ValueError(number)

    @tradespan.monitor(durable=True)
    def durable(number):
        return sum(range(20_000))

    for number in range(30):
        kept(number)
        unkept(number)
        durable(number)
        try:
            failing(number)
        except ValueError:
            pass
    """


def functions(desk: Desk, *options: str) -> dict[str, dict[str, Any]]:
    ended = desk.tradespan("functions", "--root", desk.root, "--json", *options)
    assert ended.status == 0, ended.err
    rows = [json.loads(line) for line in ended.out.splitlines()]
    return {row["name"].rpartition(".")[2]: row for row in rows}


def check_exemplars(desk: Desk) -> None:
    found = functions(desk)
    assert sorted(found) == ["durable", "failing", "kept", "unkept"]
    assert {row["calls"] for row in found.values()} == {30}
    assert found["unkept"]["exemplars"] == []
    stored = {(span.trace_id, span.span_id): span for span in desk.stored()}
    for name in ("kept", "failing", "durable"):
        exemplars = found[name]["exemplars"]
        assert exemplars
        for exemplar in exemplars:
            span = stored[exemplar["trace_id"], exemplar["span_id"]]
            assert span.name.endswith(f".{name}")
            assert span.duration == exemplar["value_ns"] > 0, "no start of a call"
            assert (span.status == "UNSET") == (name != "failing")
            assert found[name]["buckets"][exemplar["bucket"]] > 0, "it is one of those counted"


def test_exemplars_of_a_run_are_kept_calls_that_the_store_has(desk: Desk) -> None:
    desk.write("bot.py", BOT.format(configure=""))
    assert desk.run("bot.py").status == 0
    check_exemplars(desk)


def test_exemplars_of_a_bot_that_forwards_itself_are_there_at_its_end(desk: Desk) -> None:
    desk.write("bot.py", BOT.format(configure="tradespan.configure(root='root')"))
    ended = desk.python("bot.py")
    assert (ended.status, ended.err) == (0, "")
    check_exemplars(desk)


def test_slowest_call_is_shown_by_its_trace(desk: Desk) -> None:
    desk.write("bot.py", BOT.format(configure=""))
    desk.run("bot.py")
    ended = desk.tradespan("functions", "--root", desk.root, "--slowest")
    assert ended.status == 0
    header, *lines = ended.out.splitlines()
    assert header.split()[-1] == "Slowest"
    rows = {line.split()[0].rpartition(".")[2]: line.split()[-1] for line in lines}
    exemplars = functions(desk)["kept"]["exemplars"]
    assert rows["kept"] == max(exemplars, key=lambda each: each["bucket"])["trace_id"]
    shown = desk.tradespan("trace", rows["kept"], "--store", desk.store)
    assert shown.status == 0, shown.err
    assert "kept" in shown.out
    assert len(rows["unkept"]) != 32


@pytest.mark.parametrize("store", ["--no-store", "--store"])
def test_exemplars_need_no_store_but_a_destination(
    desk: Desk, receiver: Receiver, store: str
) -> None:
    desk.write("bot.py", BOT.format(configure=""))
    options = [store] if store == "--no-store" else [store, str(desk.store)]
    assert desk.run(*options, "--endpoint", receiver.address, "bot.py").status == 0
    sent = {span.span_id for span in receiver.spans}
    found = functions(desk)["kept"]["exemplars"]
    assert found
    assert {each["span_id"] for each in found} <= sent
