"""The tables that the code runs on stand in the documentation, row for row."""

from __future__ import annotations

from pathlib import Path

from tradespan.forward.transitions import TRANSITIONS
from tradespan.sinks.answers import ANSWERS
from tradespan.sinks.grpc_status import STATUSES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "delivery.md"
_WORDS = {True: "yes", False: "no", None: ""}


def rows_of_answers() -> list[str]:
    return [
        f"| {row.first if row.first == row.last else f'{row.first}–{row.last}'} "
        f"| `{row.outcome.__name__}` | {row.reason} |"
        for row in ANSWERS
    ]


def rows_of_statuses() -> list[str]:
    return [f"| {row.name} | `{row.outcome.__name__}` | {row.reason} |" for row in STATUSES]


def rows_of_transitions() -> list[str]:
    return [
        f"| `{row.outcome.__name__}` | {_WORDS[row.of_one]} | {_WORDS[row.others_taken]} "
        f"| {row.action} | {row.state} |"
        for row in TRANSITIONS
    ]


def test_the_page_has_each_table_as_the_code_has_it() -> None:
    page = PAGE.read_text()
    for rows in (rows_of_answers(), rows_of_statuses(), rows_of_transitions()):
        assert "\n".join(rows) in page
