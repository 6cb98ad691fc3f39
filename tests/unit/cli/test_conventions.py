"""`tradespan conventions`, as called from a shell."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.captured import capture
from tests.unit.conventions.builders import write
from tests.unit.store import builders as stored
from tradespan.cli import main
from tradespan.core.records import Kind, Resource
from tradespan.signals.lines import declare_scope, write_line
from tradespan.signals.slot import SIGNALS
from tradespan.spool.folder import RunFolder
from tradespan.wire.measured import Metric, Point, encode_readings

SOUND = {"trading.symbol": "AAPL", "trading.order.side": "buy"}


class Shell:
    """Calls the command in a folder of its own."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys
        self.err = ""

    def __call__(self, *words: object, status: int = 0) -> str:
        told = main(["conventions", *map(str, words)])
        captured = self._capsys.readouterr()
        self.err = captured.err
        assert told == status, captured.out + captured.err
        return captured.out

    def live(self, *words: object, status: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self("live", "--json", *words, status=status))
        return told


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    directory = tmp_path / "bot"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path / "root"))
    return Shell(tmp_path / "root", capsys)


@pytest.fixture
def folder(shell: Shell) -> RunFolder:
    return RunFolder.create(shell.root, "bot")


def record(folder: RunFolder, attributes: dict[str, Any], event: str = "", unit: str = "s") -> None:
    """One span, one line and one reading of a gauge."""
    with capture(folder.path) as captured:
        with captured.tracer.start_as_current_span("submit", attributes=attributes):
            pass
        write_line(declare_scope("bot"), "x", time=1, severity=9, event_name=event)
        metric = Metric("trading.feed.staleness", unit, "gauge")
        point = Point((("trading.venue", "XNAS"),), 0, 1, 2.5)
        for reading in encode_readings(Resource({}), [(metric, point)]):
            assert SIGNALS.spool is not None
            fields = msgspec.structs.astuple(reading)
            SIGNALS.spool.lanes[0].record(int(Kind.METRIC), 0, fields)
    for page in folder.metric_pages():  # other tests' instruments are counted in it
        page.unlink()


# ── live ────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_deviates_in_nothing_is_clean(shell: Shell, folder: RunFolder) -> None:
    record(folder, SOUND)

    assert shell("live") == "1 span, 1 log line, 1 point: nothing deviates\n"
    assert shell.err == ""


def test_what_deviates_is_told_worst_first_with_an_example(shell: Shell, folder: RunFolder) -> None:
    record(folder, {"trading.symbl": "AAPL", "trading.order.side": "BUY"}, "moon_phase", "ms")

    told = shell("live", status=1).splitlines()
    trace = told[2].rpartition(" ")[2]
    assert told == [
        "violation  trading.symbl  unknown_attribute, once",
        "    no attribute of this name is declared; did you mean trading.symbol?",
        f"    first: span submit of trace {trace}",
        "violation  trading.feed.staleness  wrong_unit, once",
        "    its unit is declared as 's', and came as 'ms'; did you mean s?",
        "    first: metric trading.feed.staleness",
        "improvement  trading.order.side  undeclared_value, once",
        "    'BUY' is none of its declared values; did you mean buy?",
        f"    first: span submit of trace {trace}",
        "information  moon_phase  unknown_event, once",
        "    an event of your own that no file declares",
        "    first: event moon_phase of bot",
        "1 span, 1 log line, 1 point: 2 violations, 1 improvement, 1 information",
    ]


def test_advice_alone_is_no_failure(shell: Shell, folder: RunFolder) -> None:
    record(folder, SOUND, "order_filled")

    told = shell.live()
    (finding,) = told["findings"]
    assert told["levels"] == {"violation": 0, "improvement": 1, "information": 0}
    assert (finding["rule"], finding["near"]) == ("other_name", "trading.order.filled")


def test_a_run_can_be_named_by_its_name_or_its_folder(shell: Shell, folder: RunFolder) -> None:
    record(folder, {"trading.symbl": "AAPL"})
    record(RunFolder.create(shell.root, "other"), SOUND)

    assert shell.live(status=1)["looked_at"]["span"] == 2
    assert shell.live("--run", folder.path.name, status=1)["looked_at"]["span"] == 1
    assert shell.live("--run", folder.path, status=1)["looked_at"]["span"] == 1


def test_the_spans_of_the_store_are_looked_at(shell: Shell) -> None:
    bad = stored.make_span(attributes={"trading.event_time": "yesterday"})
    shell.root.mkdir()
    stored.new_store(shell.root, stored.make_span(2, 2), bad).close()
    (store,) = shell.root.glob("*.db")

    told = shell.live("--store", store, status=1)
    assert told["looked_at"]["span"] == 2
    assert [(each["rule"], each["name"]) for each in told["findings"]] == [
        ("wrong_type", "trading.event_time")
    ]
    shell("live", "--store", "none", status=1)
    assert "nothing is recorded" in shell.err


def test_events_that_were_delivered_to_a_log_file_are_looked_at(shell: Shell) -> None:
    file = shell.root / "logs" / "bot.jsonl"
    file.parent.mkdir(parents=True)
    filled = {"trading.execution.quantity": "three", "trading.execution.price": None}
    lines: list[dict[str, Any]] = [
        {"event": "trading.order.filld", "data": {}},
        {"event": "trading.order.filled", "data": filled},
        {"message": "nothing of ours", "data": 5},
    ]
    time = {"timestamp": "2026-11-21T00:00:00.000000Z", "logger": "bot"}
    file.write_text("".join(json.dumps({**time, **line}) + "\n" for line in lines))

    told = shell.live(status=1)
    assert told["looked_at"]["log"] == 3
    found = {
        (each["rule"], each["name"]) for each in told["findings"] if each["level"] == "violation"
    }
    assert found == {
        ("unknown_event", "trading.order.filld"),
        ("wrong_type", "trading.execution.quantity"),
    }


def test_a_store_that_is_none_is_told(shell: Shell, folder: RunFolder, tmp_path: Path) -> None:
    record(folder, SOUND)
    store = tmp_path / "broken.db"
    store.write_text("no store")

    shell("live", "--store", store)
    assert str(store) in shell.err


def test_a_damaged_segment_is_told_and_the_rest_is_looked_at(
    shell: Shell, folder: RunFolder
) -> None:
    record(folder, SOUND)
    (first, *_) = folder.segments()
    whole = (folder.path / str(first)).read_bytes()
    (folder.path / str(first)).write_bytes(whole[:64] + b"\xff" * 64 + whole[128:])
    record(folder, {"trading.symbl": "AAPL"})

    assert shell.live(status=1)["looked_at"]["span"] >= 1
    assert str(first) in shell.err


def test_without_anything_recorded_the_check_says_so(shell: Shell) -> None:
    shell("live", status=1)

    assert shell.err == f"tradespan: nothing is recorded in {shell.root}\n"


def test_an_infinite_number_in_a_reading_is_told(shell: Shell, folder: RunFolder) -> None:
    with capture(folder.path):
        metric, point = Metric("desk.x", "1", "gauge"), Point((), 0, 1, math.nan)
        (reading,) = encode_readings(Resource({}), [(metric, point)])
        assert SIGNALS.spool is not None
        fields = msgspec.structs.astuple(reading)
        SIGNALS.spool.lanes[0].record(int(Kind.METRIC), 0, fields)
    for page in folder.metric_pages():
        page.unlink()

    assert [each["rule"] for each in shell.live(status=1)["findings"]] == ["not_a_number"]


def test_own_declarations_beside_the_settings_file_count(shell: Shell, folder: RunFolder) -> None:
    record(folder, {"desk.boook": "delta_one"})
    assert shell.live()["findings"] == []

    write(Path("conventions"))
    Path("tradespan.toml").write_text("")
    (finding,) = shell.live(status=1)["findings"]
    assert (finding["name"], finding["near"]) == ("desk.boook", "desk.book")


def test_own_declarations_that_are_wrong_are_told_before_anything_is_looked_at(
    shell: Shell, folder: RunFolder
) -> None:
    record(folder, SOUND)
    file = write(Path("elsewhere"), "unit: s\n", "unit: seconds\n")
    Path("tradespan.toml").write_text('conventions = ["elsewhere/desk.yaml"]\n')

    assert shell("live", status=2) == ""
    assert f"{file}:" in shell.err
    assert "did you mean s?" in shell.err


# ── check ───────────────────────────────────────────────────────────────────────────────────────


def test_sound_declarations_are_counted(shell: Shell) -> None:
    file = write(Path("conventions"))

    for words in ([], [file]):
        told = shell("check", *words)
        assert told == "1 file, 3 attributes, 1 instrument, 1 event: sound\n"


def test_a_mistake_is_printed_with_file_and_line(shell: Shell) -> None:
    file = write(Path("conventions"), "unit: s\n", "unit: seconds\n")

    assert shell("check", file, status=1).splitlines() == [
        f"{file}:35: desk.hedge.delay: unit is 'seconds', none by UCUM; did you mean s?",
        "1 file, 3 attributes, 1 instrument, 1 event: 1 problem",
    ]
    (problem,) = json.loads(shell("check", file, "--json", status=1))["problems"]
    assert problem == {
        "file": str(file),
        "line": 35,
        "name": "desk.hedge.delay",
        "message": "unit is 'seconds', none by UCUM; did you mean s?",
    }


def test_nothing_to_check_is_a_mistake_of_the_caller(shell: Shell) -> None:
    assert shell("check", status=2) == ""
    assert "there is nothing to check" in shell.err


def test_the_variable_names_files(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = write(Path("a")), write(Path("b"), "desk.", "desk.")
    second.write_text(second.read_text().replace("desk", "pit"))
    monkeypatch.setenv("TRADESPAN_CONVENTIONS", f"{first}; {second}")

    assert shell("check").startswith("2 files, 6 attributes")


def test_without_pyyaml_the_live_check_works_and_own_declarations_say_what_to_install(
    shell: Shell, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(folder, {"trading.symbl": "AAPL"})
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert shell.live(status=1)["levels"]["violation"] == 1

    write(Path("conventions"))
    for action in ("check", "live", "list"):
        assert shell(action, status=2) == ""
        assert "pip install 'tradespan[conventions]'" in shell.err


def test_what_a_file_says_cannot_steer_a_terminal(shell: Shell) -> None:
    file = write(Path("conventions"), "id: desk.book", 'id: "desk.\\e[2Jbook"')

    assert "\x1b" not in shell("check", file, status=1)


# ── list and show ───────────────────────────────────────────────────────────────────────────────


def test_names_are_found_by_a_part_of_any_of_theirs(shell: Shell) -> None:
    write(Path("conventions"))

    assert "desk.hedge.delay" in shell("list", "hedge")
    assert "trading.trades" in shell("list", "live_trading_trades", "--kind", "instrument")
    assert shell("list", "no such thing", status=1) == ""


def test_all_of_one_name_is_shown(shell: Shell) -> None:
    told = shell("show", "trading.order.latency")
    assert "Prometheus: trading_order_latency_seconds\n" in told
    assert "also: live_trading_order_latency_seconds\n" in told
    assert "buckets: 0.01, 0.05, 0.1, 0.5, 1\n" in told

    assert shell("show", "live_trading_order_latency_seconds") == told
    assert "FIX: Side (54)" in shell("show", "trading.order.side")
    assert json.loads(shell("show", "TRADE_FILLED", "--json"))["name"] == "trading.order.filled"


def test_attributes_are_found_by_fixs_fields_and_tags(shell: Shell) -> None:
    side = shell("show", "trading.order.side")
    assert shell("show", "Side") == shell("show", "54") == side
    assert "trading.order.client_id" in shell("list", "ClOrdID")
    shell("show", "LastQyt", status=1)
    assert "did you mean LastQty?" in shell.err


def test_a_name_that_is_not_declared_gets_the_nearest_one(shell: Shell) -> None:
    shell("show", "trading.order.sid", status=1)

    assert shell.err.endswith("is not declared; did you mean trading.order.side?\n")


def test_without_an_action_the_help_is_shown(shell: Shell) -> None:
    assert "live" in shell(status=2)
