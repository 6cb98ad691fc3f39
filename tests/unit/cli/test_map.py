"""`tradespan map check`, as called from a shell, on a run without a store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.signals.metrics.conftest import Run
from tradespan.cli import main
from tradespan.signals.events.bus import EventBus
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets.mapped import Meanings
from tradespan.signals.sets.switch import Sets
from tradespan.signals.slot import SignalSlot
from tradespan.spool.folder import RunFolder

TABLES = r"""
[[map]]
function = 'bot\.execution\..*'
signal = "order.submitted"
[map.fields]
"trading.venue" = "=XNAS"
"trading.order.price" = "args.order.px"

[[map]]
function = 'bot\.execution\.submit'
signal = "order.filled"
[map.fields]
"trading.order.side" = { from = "args.order.side", values = { B = "buy", S = "sell" } }
"trading.execution.price" = { from = "result.ticks", factor = 0.01 }

[[map]]
function = '__main__\.rebalance'
signal = "rebalance"

[[map]]
function = 'bot\.executions\.cancel'
signal = "order.cancelled"
"""
Check = Callable[..., tuple[str, str]]


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Calls the command, with the tables above; gives stdout and stderr."""
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("COLUMNS", "200")
    settings = tmp_path / "tradespan.toml"
    settings.write_text(TABLES)

    def call(*words: str, status: int = 1) -> tuple[str, str]:
        if "--config" not in words:
            words = (*words, "--config", str(settings))
        assert main(["map", "check", *words]) == status
        captured = capsys.readouterr()
        return captured.out, captured.err

    return call


def trade(root: Path) -> RunFolder:
    """A run in which mapped functions were called: one gave no price once, in two calls."""
    folder = RunFolder.create(root, "bot")
    signals = SignalSlot()
    run = Run(folder.path, signals)
    registry = InstrumentRegistry(signals)
    meanings = Meanings(Sets(registry.from_declaration), EventBus(), "live", registry)
    submit = meanings("order.submitted", "bot.execution.submit", late=False)
    cancel = meanings("order.submitted", "bot.execution.cancel", late=False)
    for meaning in (submit, cancel):
        meaning.begins({"trading.venue": "XNAS"})
        meaning.ended({}, 0.5, None)
    cancel.missed("trading.order.price", "Order has no 'px'")
    meanings("rebalance", "script.rebalance", late=False).begins({})
    run.writer.locks.abandon()
    return folder


def tables_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_each_table_tells_functions_fields_and_what_was_fed(tmp_path: Path, check: Check) -> None:
    trade(tmp_path / "root")
    orders, filled, own, wrong = tables_of(check("--json")[0])
    assert orders["functions"] == {"bot.execution.cancel": 1, "bot.execution.submit": 1}
    assert orders["calls"] == 2
    assert orders["fields"] == [
        {"attribute": "trading.venue", "source": "=XNAS", "found": 2, "missing": {},
         "example": None},
        {"attribute": "trading.order.price", "source": "args.order.px", "found": 1,
         "missing": {"Order has no 'px'": 1}, "example": None},
    ]  # fmt: skip
    assert orders["instruments"] == ["trading.orders.submitted", "trading.order.latency"]
    assert orders["events"] == ["TRADE_SUBMITTED"]
    assert [each["source"] for each in filled["fields"]] == [
        "args.order.side B=buy S=sell",
        "result.ticks × 0.01",
    ]
    assert filled["signals_of_others"] == {"bot.execution.submit": "order.submitted"}
    assert (filled["instruments"], filled["events"]) == ([], [])
    assert own["functions"] == {"script.rebalance": 1}
    assert (wrong["calls"], wrong["near"][0]) == (0, "bot.execution.cancel")


def test_people_are_told_the_same(tmp_path: Path, check: Check) -> None:
    trade(tmp_path / "root")
    out, _ = check()
    told = " ".join(out.split())
    assert "1 call of bot.execution.submit" in told
    assert "trading.order.price args.order.px 1 1: Order has no 'px'" in told
    assert "bot.execution.submit is order.submitted by an earlier table" in told
    assert "feeds nothing: no set and no event knows this signal" in told
    assert "no call of a watched function; called were: bot.execution.cancel" in told
    assert told.endswith("1 of 4 tables found no call")


def test_table_whose_function_nobody_named_says_that_it_selects_none(
    tmp_path: Path, check: Check
) -> None:
    run = Run(RunFolder.create(tmp_path / "root", "bot").path, SignalSlot())
    run.writer.locks.abandon()
    told = " ".join(check()[0].split())
    assert "a table selects none: name the function by -i, include or [[instrument]] as" in told


def test_all_is_well_if_each_table_found_a_call(tmp_path: Path, check: Check) -> None:
    trade(tmp_path / "root")
    good = tmp_path / "good.toml"
    good.write_text(TABLES[: TABLES.rindex("[[map]]")])
    check("--config", str(good), status=0)


def test_the_last_run_counts_unless_another_is_named(tmp_path: Path, check: Check) -> None:
    first = trade(tmp_path / "root")
    RunFolder.create(tmp_path / "root", "bot")
    assert {table["calls"] for table in tables_of(check("--json")[0])} == {0}
    named = tables_of(check("--json", "--run", first.path.name)[0])
    assert [table["calls"] for table in named] == [2, 1, 1, 0]


def test_what_cannot_be_looked_at_is_said(tmp_path: Path, check: Check) -> None:
    assert "there is no run below" in check()[1]
    folder = trade(tmp_path / "root")
    _, err = check("--run", "nothing")
    assert f"ends with nothing; there are: {folder.path.name}" in err
    empty = tmp_path / "empty.toml"
    empty.touch()
    assert f"there are no [[map]] tables in {empty}" in check("--config", str(empty))[1]


def test_calls_of_a_function_with_conditions_are_each_tables_own(
    tmp_path: Path, check: Check
) -> None:
    folder = RunFolder.create(tmp_path / "root", "bot")
    signals = SignalSlot()
    run = Run(folder.path, signals)
    registry = InstrumentRegistry(signals)
    meanings = Meanings(Sets(registry.from_declaration), EventBus(), "live", registry)
    fill = meanings("order.filled", "bot.on_message")
    other = meanings("message", "bot.on_message")
    for meaning in (fill, fill, other):
        meaning.begins({})
        meaning.missed("trading.symbol", "it is None")
    run.writer.locks.abandon()
    settings = tmp_path / "when.toml"
    settings.write_text(r"""
[[map]]
function = 'bot\.on_message'
signal = "message"
[[map]]
function = 'bot\.on_message'
signal = "order.filled"
when = { "args.m.kind" = ["fill", "partial"], "args.m.live" = true }
[map.fields]
"trading.symbol" = "args.m.sym"
""")
    words = ("--config", str(settings))
    any_other, filled = tables_of(check("--json", *words, status=0)[0])
    assert (any_other["functions"], filled["functions"]) == (
        {"bot.on_message": 1},
        {"bot.on_message": 2},
    )
    assert any_other["signals_of_others"] == filled["signals_of_others"] == {}
    assert filled["fields"][0]["missing"] == {"it is None": 2}
    assert filled["when"] == "args.m.kind is fill or partial, and args.m.live is true"
    assert filled["when"] in " ".join(check(*words, status=0)[0].split())
