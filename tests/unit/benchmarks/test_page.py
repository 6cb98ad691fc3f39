"""A report as Markdown, and its place in the docs."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import PAGE, read_arguments
from benchmarks.page import MARK, bars, put_into, render, unmet
from benchmarks.results import PeerRow, Report, Row

MET = Row("tracer", "a span", 1.0, "SDK span", 10.0, 0.1, 1 / 8, "its record")
MISSED = Row("raise", "a raise", 6.0, "SDK raise", 200.0, 0.03, 1 / 40, "the frames", bare=2.0)
BESIDE = Row("passthrough", "a closure", 0.07)


def test_a_row_says_what_it_is_held_against_and_whether_that_is_enough() -> None:
    *_, met, missed, beside = bars([MET, MISSED, BESIDE]).splitlines()

    assert met == "| a span | 1.00 | SDK span | 10.00 | 1/10.0 | 1/8 | yes |"
    assert missed == "| a raise | 6.00 | SDK raise | 200 | 1/33.3 | 1/40 | **no** |"
    assert beside == "| a closure | 0.07 |  |  |  |  |  |"


def test_bars_that_are_missed_are_listed_with_the_reason() -> None:
    summary, reasons = unmet([MET, MISSED, BESIDE])

    assert summary == "1 of 2 bars are met."
    assert reasons == (
        "- a raise: 1/33.3 of SDK raise, asked for 1/40. In it: the frames."
        " Bare it takes 2.00 of the 5.00 µs that the bar allows."
    )


def test_rows_without_bars_need_no_verdict() -> None:
    assert list(unmet([BESIDE])) == []


def test_a_peer_is_shown_beside_what_was_measured_in_its_process() -> None:
    report = Report(peers=[PeerRow("peer 1.0", "`wrap`", 12.0, 24.0, 1.5)], notes=["other: absent"])

    shown = render(report, {"Python": "3"}, "One round.")

    assert "| peer 1.0 | `wrap` | 12.00 | 24.00 | 1.50 | 1/8.0 |" in shown
    assert shown.startswith("- Python: 3\n\nOne round.\n\n")
    assert "## Notes\n\n- other: absent" in shown
    assert "## One call" not in shown


def test_writing_replaces_what_is_below_the_mark_only() -> None:
    page = f"# Words\n\n{MARK}\n\nold numbers\n"

    assert put_into(page, "new numbers") == f"# Words\n\n{MARK}\n\nnew numbers\n"


def test_a_page_without_the_mark_is_not_written() -> None:
    with pytest.raises(ValueError, match="has no line"):
        put_into("# Words\n", "numbers")


def test_the_page_of_the_docs_has_the_mark() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert text.count(MARK) == 1


def test_only_takes_names_of_groups() -> None:
    assert read_arguments(["--only", "monitor, raise"]).groups == ["monitor", "raise"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--only", "monitors"], "no group monitors"), (["--write", "--only", "raise"], "whole run")],
)
def test_a_run_that_makes_no_sense_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_arguments(arguments)

    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_memory_is_measured_when_it_is_asked_for() -> None:
    assert "memory" not in read_arguments([]).groups
    assert "memory" in read_arguments(["--memory"]).groups
    assert read_arguments(["--only", "memory", "--memory"]).groups == ["memory"]
