"""`tradespan orders`: what it finds in tables, log lines, the audit log and the store, and says."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.captured import capture
from tests.unit.pages.orders import Process, order
from tests.unit.store.builders import MILLISECOND, NOON, SECOND, insert, make_span, trace_hex
from tradespan.cli import main
from tradespan.signals.audit.log import AUDIT, audit
from tradespan.signals.slot import SIGNALS
from tradespan.spool.folder import RUN, replace_json
from tradespan.store.store import Store

NOW = time.time_ns()
HOUR = 3_600 * SECOND


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def show(capsys: pytest.CaptureFixture[str], root: Path, *words: str, status: int = 0) -> str:
    assert main(["orders", "--root", str(root), *words]) == status
    return capsys.readouterr().out


def objects(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in show(capsys, root, "--json", *words).splitlines()]


def start(root: Path, run: str) -> Process:
    process = Process(root, run)
    replace_json(process.writer.folder / RUN, {"service": "bot"})
    return process


def write_lines(root: Path, *lines: dict[str, Any]) -> None:
    (root / "logs").mkdir(parents=True)
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (root / "logs" / "bot.jsonl").write_text(text)


def event(second: int, name: str, **data: Any) -> dict[str, Any]:
    return {
        "timestamp": f"2026-03-01T12:00:{second:02d}.500000Z",
        "level": "INFO",
        "service": "bot",
        "event": name,
        "trace_id": "ab" * 16,
        "message": "",
        "data": data,
    }


def test_open_orders_of_living_and_of_dead_processes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, living = start(root, "one"), start(root, "two")
    dead.table.put(order("A", submitted=NOW - 4 * HOUR, cumulative="0.5"))
    living.table.put(order("B", submitted=NOW - 3 * HOUR, trace_id=bytes(16), span_id=0))
    dead.die()
    lines = show(capsys, root).splitlines()
    assert lines[0].split()[:5] == ["Order", "Since", "(UTC)", "Side", "Leaves"]
    assert lines[1].split()[0] == "A"
    assert "0.750" in lines[1].split()
    assert f"bot (process {os.getpid()}), gone since 20" in lines[1]
    assert lines[1].endswith(bytes(range(16)).hex())
    assert lines[2].split()[0] == "B"
    assert re.search(rf"  3 h 0\d m  bot \(process {os.getpid()}\)$", lines[2])
    assert lines[3].startswith("2 open orders, 1 of them left by programs that are gone, which")
    told = objects(capsys, root)
    assert [(each["client_id"], each["whose"], each["run"]) for each in told] == [
        ("A", "left", "one"),
        ("B", "runs", "two"),
    ]
    assert (told[0]["leaves"], told[0]["price"], told[0]["state"]) == ("0.750", "64000.10", "New")
    assert 4 * 3_600 <= told[0]["age"] < 5 * 3_600
    assert told[0]["last_sign"] > 0
    assert (told[1]["trace_id"], told[1]["last_sign"]) == ("", None)


def test_an_order_that_was_taken_over_stands_once_and_says_from_whom(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, heir = start(root, "one"), start(root, "two")
    dead.table.put(order("A"))
    dead.table.put(order("B"))
    dead.die()
    heir.table.adopt()
    heir.table.drop("B")
    (told,) = objects(capsys, root)
    assert (told["client_id"], told["run"], told["taken_from"]) == ("A", "two", os.getpid())
    assert f"bot (process {os.getpid()}), taken over from process {os.getpid()}" in show(
        capsys, root
    )
    over, standing = objects(capsys, root, "--all")
    assert (over["client_id"], over["whose"], over["symbol"]) == ("B", "ended", "BTC-USDT")
    assert standing["client_id"] == "A"


def test_orders_of_one_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run in ("run-one", "run-two"):
        start(root, run).table.put(order(run))
    told = objects(capsys, root, "--run", "two")
    assert [each["client_id"] for each in told] == ["run-two"]
    assert main(["orders", "--root", str(root), "--run", "three"]) == 1
    assert "no run below" in capsys.readouterr().err


def test_more_than_asked_for_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = start(root, "one")
    for number in range(5):
        process.table.put(order(f"{number}", submitted=number + 1))
    lines = show(capsys, root, "-n", "2").splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["3", "4"]
    assert "5 open orders; the latest 2 are shown, more with --limit" in lines[3]


def test_without_any_it_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"No order stands below {root}; --all looks for those that are over.\n"
    assert show(capsys, root) == text
    assert show(capsys, root, "--all") == f"No order is known below {root}.\n"
    assert show(capsys, root, "--json") == ""


def test_what_a_row_says_cannot_steer_a_terminal(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start(root, "one")
    process.table.put(order("A\x1b[2J", symbol="\x1b[31m", state="\x07"))
    write_lines(root, event(1, "\x1b[2J", client_id="B", symbol="\x1b[1m"))
    for words in ((), ("--all",), ("B",)):
        assert "\x1b" not in show(capsys, root, *words)
        assert "\x07" not in show(capsys, root, *words)


# ── journeys ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def traded(root: Path) -> Path:
    """An order that was sent, acknowledged and filled, as calls and log lines tell."""
    write_lines(
        root,
        event(1, "trading.order.acknowledged", **{"trading.order.client_id": "A"}),
        event(2, "trading.order.acknowledged", **{"trading.order.client_id": "AA"}),
        {"timestamp": "2026-03-01T12:00:03Z", "message": "no data", "level": "INFO"},
        {**event(4, ""), "data": 7},
    )
    facts = {"trading.order.client_id": "A", "trading.symbol": "BTC-USDT"}
    filled = {
        **facts,
        "trading.order.status": "Filled",
        "trading.execution.quantity": 0.5,
        "trading.execution.price": 64_000.1,
    }
    with Store.open(root / "store.db") as store:
        sent = make_span(1, start=SECOND, duration=2 * MILLISECOND, attributes=facts)
        insert(
            store,
            sent,
            make_span(2, 2, start=3 * SECOND, attributes=filled, failed=True),
            make_span(3, 3, start=4 * SECOND, attributes={"trading.order.client_id": "AA"}),
        )
    return root


def test_a_journey_is_a_timeline_of_calls_and_events(
    traded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = show(capsys, traded, "A").splitlines()
    assert lines[0] == "A  BTC-USDT, Filled"
    assert lines[1] == "  momentum-bot, over, 2.00 s from first to last"
    assert lines[2].split() == ["Time", "(UTC)", "After", "What", "Took", "Details", "Trace"]
    traded_text = "Filled, traded 0.5, at 64000.1"
    assert [line.split()[1:] for line in lines[3:]] == [
        ["12:00:01.000", "decide", "2.0", "ms", trace_hex(1)],
        ["12:00:01.500", "500.0", "ms", "trading.order.acknowledged", "ab" * 16],
        ["12:00:03.000", "1.50", "s", "decide", "1.0", "ms", *traded_text.split(), trace_hex(2)],
    ]
    first, *told = objects(capsys, traded, "A")
    assert (first["source"], first["whose"], first["state"]) == ("order", "ended", "Filled")
    assert [(each["source"], each["time"] - NOON, each["after"]) for each in told] == [
        ("call", SECOND, None),
        ("event", 1_500 * MILLISECOND, 500 * MILLISECOND),
        ("call", 3 * SECOND, 1_500 * MILLISECOND),
    ]
    assert [each["failed"] for each in told] == [False, False, True]


def test_a_journey_of_an_order_that_stands_begins_with_its_row(
    traded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start(traded, "one")
    process.table.put(order("A", cumulative="0.5", submitted=NOW - 3 * HOUR))
    first, second, *_ = show(capsys, traded, "A").splitlines()
    assert first == (
        "A  buy 1.250 BTC-USDT limit at 64000.10 on binance, New, leaves 0.750, the venue's id V-77"
    )
    assert second.startswith(f"  bot (process {os.getpid()}), 3 h 0")
    assert second.endswith(" m old")
    told = objects(capsys, traded, "A")
    assert [each["source"] for each in told] == ["order", "call", "event", "call"]


def test_all_lists_orders_that_are_over_before_those_that_stand(
    traded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = start(traded, "one")
    process.table.put(order("AA"))
    over, standing = objects(capsys, traded, "--all")
    assert (over["client_id"], over["whose"], over["state"]) == ("A", "ended", "Filled")
    assert (over["submitted"], over["age"]) == (NOON + SECOND, 2.001)
    assert over["trace_id"] == trace_hex(1)
    assert (standing["client_id"], standing["whose"]) == ("AA", "runs")
    assert show(capsys, traded, "--all").splitlines()[-1].startswith("1 open order, 1 over; ")


@pytest.mark.parametrize("client_id", ['a "quoted\\ one', "with blank", "key=value"])
def test_any_id_is_found_in_the_store(
    root: Path, capsys: pytest.CaptureFixture[str], client_id: str
) -> None:
    root.mkdir()
    with Store.open(root / "store.db") as store:
        insert(store, make_span(attributes={"trading.order.client_id": client_id}))
    _, told = objects(capsys, root, client_id)
    assert told["client_id"] == client_id


def test_the_audit_log_tells_of_orders_whose_log_lines_are_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capture(tmp_path / "run"):
        assert SIGNALS.spool is not None
        AUDIT.begin(tmp_path, SIGNALS.spool, service="bot", age=0, without_orders=False)
        audit("TRADE_SUBMITTED", category="order", client_order_id="A", symbol="BTC")
        AUDIT.end()
    _, told = objects(capsys, tmp_path, "A")
    assert (told["source"], told["what"], told["service"]) == ("audit", "TRADE_SUBMITTED", "bot")


def test_an_order_that_nobody_knows_is_exit_status_1(
    traded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["orders", "--root", str(traded), "nobody's"]) == 1
    assert "no order nobody's is known below" in capsys.readouterr().err
