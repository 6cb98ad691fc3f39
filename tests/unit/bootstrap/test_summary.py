"""What is said at the end of a run: a line for each place, and nothing that was lost left out."""

from __future__ import annotations

from typing import Any

from tradespan.bootstrap.receivers import sink_name
from tradespan.bootstrap.summary import tell_books

RECEIVER = [
    ("otlp", "http://localhost:4318/v1/traces"),
    ("otlp.logs", "http://localhost:4318/v1/logs"),
    ("otlp.metrics", "http://localhost:4318/v1/metrics"),
]
PLACES = [("store", "/desk/store.db"), ("logfile", "/desk/logs/bot.jsonl"), *RECEIVER]
STORE, LOG, TRACES, LINES, READINGS = (sink_name(*each) for each in PLACES)


def sink(accepted: int, **others: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "parked": 0,
        "on_disk": 0,
        "unaccounted": 0,
        "sampled": 0,
        "discarded": {},
    }
    return {"accepted": accepted, **nothing, **others}


def books(sinks: dict[str, dict[str, Any]], **others: Any) -> dict[str, Any]:
    return {"recorded": 1_820, "in_memory": 0, "discarded": {}, "sinks": sinks, **others}


def test_each_place_has_one_line_of_all_that_it_took() -> None:
    taken = {
        STORE: sink(1_810, others=10),
        LOG: sink(6),
        TRACES: sink(1_810),
        LINES: sink(6),
        READINGS: sink(1),
    }
    assert tell_books(books(taken), PLACES) == [
        "1,810 spans in the store /desk/store.db",
        "6 log lines in /desk/logs/bot.jsonl",
        "1,810 spans, 6 log lines, 1 reading of metrics at http://localhost:4318",
    ]


def test_a_place_that_nothing_was_for_is_left_out() -> None:
    assert tell_books(books({STORE: sink(3), LOG: sink(0, others=3)}), PLACES[:2]) == [
        "3 spans in the store /desk/store.db"
    ]


def test_whatever_did_not_arrive_is_said_behind_what_did() -> None:
    taken = {
        TRACES: sink(1, on_disk=2, parked=3, sampled=4, unaccounted=5, discarded={"age": 1}),
        LINES: sink(0, on_disk=7, discarded={"age": 2, "purged": 1}),
        READINGS: sink(0),
    }
    assert tell_books(books(taken), RECEIVER) == [
        "1 span at http://localhost:4318; 2 spans, 7 log lines on disk, not delivered yet"
        "; 3 spans refused and kept as dead letters; 4 spans left out by sampling"
        "; 5 spans LOST, and nobody knows why; 1 span, 2 log lines discarded: age"
        "; 1 log line discarded: purged"
    ]


def test_a_place_that_took_nothing_says_so() -> None:
    taken = {STORE: sink(0, on_disk=1)}
    assert tell_books(books(taken), PLACES[:1]) == [
        "nothing in the store /desk/store.db; 1 span on disk, not delivered yet"
    ]


def test_a_place_that_could_not_be_opened_says_so() -> None:
    (line,) = tell_books(books({}), PLACES[:1])
    assert (
        line == "nothing in the store /desk/store.db; it could not be opened, all for it is on disk"
    )


def test_what_no_place_has_because_the_bot_lost_it_has_lines_of_its_own() -> None:
    told = books({STORE: sink(3)}, in_memory=1, discarded={"died_in_memory": 2, "oversize": 1})
    assert tell_books(told, PLACES[:1])[1:] == [
        "1 record in the memory of processes that live on",
        "2 records discarded before anybody had them: died_in_memory",
        "1 record discarded before anybody had it: oversize",
    ]


def test_what_goes_nowhere_is_told_as_well() -> None:
    assert tell_books(books({}), []) == ["1,820 records, sent nowhere"]


def test_a_sink_that_the_settings_do_not_name_stands_under_its_own_name() -> None:
    told = books({STORE: sink(3), "otlp-1f0e8c2a": sink(2)})
    assert tell_books(told, PLACES[:1])[1] == "2 records at otlp-1f0e8c2a"


def test_books_that_were_not_closed_are_no_silence() -> None:
    assert tell_books(None, PLACES) == [
        "the books of this run were not closed: what it recorded is on disk"
    ]
