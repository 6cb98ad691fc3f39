from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.browser import market
from tests.unit.web.builders import NOON, SECOND, SteppingClock
from tradespan.store.store import Store
from tradespan.web.status import (
    Backlog,
    Recent,
    Status,
    StatusBoard,
    compose_pills,
    describe_bot,
    describe_metrics,
    read_recent,
)

CALM = Recent(last=NOON - SECOND, traces=400, errors=0)


def show(status: Status, recent: Recent = CALM) -> dict[str, tuple[str, str, str]]:
    return {
        pill.key: (pill.label, pill.value, pill.level)
        for pill in compose_pills(status, recent, NOON)
    }


def test_only_what_is_known_is_shown() -> None:
    assert show(Status()) == {
        "bot": ("Last span", "1 s ago", "good"),
        "errors": ("Errors 5 min", "none", "good"),
    }


def test_running_bot_says_how_long() -> None:
    status = Status(bots=1, since=NOON - 15_120 * SECOND, write_lag=200_000_000, waiting=0)
    assert show(status) == {
        "bot": ("Bot", "up 4 h 12 m", "good"),
        "lag": ("Write lag", "0.2 s", "good"),
        "spool": ("Spool", "0 waiting", "good"),
        "errors": ("Errors 5 min", "none", "good"),
    }
    assert show(Status(bots=2, since=NOON - 60 * SECOND))["bot"][0] == "2 bots"


def test_death_is_said_first() -> None:
    death = "died 14:27:03, SIGSEGV, 2 orders open"
    assert show(Status(bots=0, death=death))["bot"] == ("Bot", death, "error")


def test_death_leads_to_the_trace_of_a_call_that_was_open() -> None:
    status = Status(bots=0, death="died", death_trace="ab" * 16, death_title="bot.work")
    pill = describe_bot(status, Recent(NOON, 0, 0), NOON)
    assert (pill.href, pill.title) == (f"/trace/{'ab' * 16}", "bot.work")


def test_ended_bot_is_no_alarm() -> None:
    assert show(Status(bots=0))["bot"] == ("Bot", "ended 1 s ago", "idle")


def test_silence_and_an_empty_store_are_no_alarm() -> None:
    old = Recent(last=NOON - 7200 * SECOND, traces=0, errors=0)
    assert show(Status(), old)["bot"] == ("Last span", "2 h 00 m ago", "idle")
    empty = Recent(last=None, traces=0, errors=0)
    assert show(Status(), empty) == {
        "bot": ("Bot", "no spans yet", "idle"),
        "errors": ("Errors 5 min", "no traces", "idle"),
    }


def test_levels_follow_lag_and_backlog() -> None:
    def levels(status: Status) -> tuple[str, str]:
        shown = show(status)
        return shown["lag"][2], shown["spool"][2]

    assert levels(Status(write_lag=3 * SECOND, waiting=9_999)) == ("warning", "good")
    stuck = Status(write_lag=60 * SECOND, waiting=10, backlogs=(backlog(120, "refused"),))
    assert levels(stuck) == ("error", "warning")


def backlog(waiting: int, cause: str, sink: str = "otlp-1f0e") -> Backlog:
    return Backlog("run-1", sink, waiting, 100, cause, f"{waiting} records wait for {sink}")


def test_backlog_is_named_by_sink_and_cause_the_largest_first() -> None:
    both = (backlog(120, "connection refused"), backlog(90_000, "the disk is full", "store"))
    (_, pill, _) = compose_pills(Status(waiting=10, backlogs=both), CALM, NOON)
    assert pill.value == "90,000 wait for store (and 1 more): the disk is full"
    assert pill.title == "120 records wait for otlp-1f0e\n90000 records wait for store"
    (_, pill, _) = compose_pills(Status(backlogs=both[:1]), CALM, NOON)
    assert (pill.value, pill.level) == ("120 wait for otlp-1f0e: connection refused", "warning")


def test_queues_are_instruments_by_sink() -> None:
    status = Status(undelivered={"store": 0, "otlp-1f0e": 120}, warnings={"otlp-1f0e": 2})
    assert [
        (each["name"], each["labels"]["tradespan.sink"], each["value"])
        for each in describe_metrics(status)
    ] == [
        ("tradespan.queue.undelivered", "otlp-1f0e", 120),
        ("tradespan.queue.undelivered", "store", 0),
        ("tradespan.queue.warnings", "otlp-1f0e", 2),
    ]


def test_errors_are_a_share_and_lead_to_their_traces() -> None:
    recent = Recent(last=NOON, traces=500, errors=2)
    pills = compose_pills(Status(), recent, NOON)
    assert (pills[-1].value, pills[-1].level) == ("0.4 %", "error")
    assert pills[-1].href == "/traces?status=err&range=5m"


def test_recent_counts_the_last_five_minutes(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        market.tell(store, NOON, traces=200, minutes=30)
        recent = read_recent(store, NOON)
        everything = store.summary()
    assert 20 < recent.traces < 60
    assert 0 < recent.errors < recent.traces
    assert recent.last == everything.last


def test_store_is_asked_at_most_once_a_second(tmp_path: Path) -> None:
    clock = SteppingClock()
    with Store.open(tmp_path / "store.db") as store:
        board = StatusBoard(Status, clock)
        before = board.read(store)[2]
        market.tell(store, NOON, traces=5)
        assert board.read(store)[2] is before
        clock.now += SECOND
        assert board.read(store)[2].last is not None


def test_what_the_agent_knows_is_asked_each_time(tmp_path: Path) -> None:
    counts = iter([1, 2])
    ask: Callable[[], Status] = lambda: Status(bots=next(counts))  # noqa: E731 - two answers
    with Store.open(tmp_path / "store.db") as store:
        board = StatusBoard(ask, SteppingClock())
        assert board.read(store)[1][0].label == "Bot"
        assert board.read(store)[1][0].label == "2 bots"


def reading(name: str, value: int, **labels: str) -> dict[str, object]:
    return {
        "name": f"tradespan.spool.{name}",
        "labels": {f"tradespan.{label}": text for label, text in labels.items()},
        "value": value,
    }


def test_records_that_nobody_gets_are_said_and_errors_among_them_are_an_alarm() -> None:
    ordinary = [
        reading("discarded", 30, lane="ordinary", sink=sink, reason=reason)
        for sink in ("store", "otlp")
        for reason in ("limit_bytes", "overflow")
    ]
    error = reading("discarded", 4, lane="error", sink="store", reason="limit_bytes")
    nothing = reading("unaccounted", 0, sink="store")
    assert "lost" not in show(Status(metrics=(nothing,)))
    assert show(Status(metrics=(nothing, *ordinary)))["lost"] == (
        "Records", "60 discarded", "warning",
    )  # fmt: skip
    assert show(Status(metrics=(error, *ordinary)))["lost"] == (
        "Records", "4 errors discarded, 60 discarded", "error",
    )  # fmt: skip
    lost = reading("unaccounted", 7, sink="store")
    assert show(Status(metrics=(lost,)))["lost"] == ("Records", "7 unaccounted", "error")
    assert list(describe_metrics(Status(metrics=(lost,)))) == [lost]


def test_what_waits_for_a_receiver_is_said_though_the_store_has_it() -> None:
    status = Status(bots=1, waiting=0, undelivered={"store": 0, "otlp-1": 1_180})
    assert show(status)["spool"] == ("Spool", "1,180 wait for otlp-1", "good")
