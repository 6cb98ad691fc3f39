from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from rich.text import Text

from tests.unit.store.builders import MILLISECOND, NOON, SECOND
from tradespan.cli.render import (
    Column,
    draw_bar,
    fit_widths,
    format_duration,
    format_time,
    name_zone,
    plain,
    shorten_process,
    walk_tree,
)
from tradespan.core.moments import format_timestamp


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (12_500, "12.5 µs"),
        (9_800_000, "9.8 ms"),
        (2_040_000_000, "2.04 s"),
        (247 * SECOND, "4 m 07 s"),
    ],
)
def test_duration_takes_the_unit_that_reads_best(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text


def test_time_has_milliseconds_and_a_named_zone() -> None:
    moment = NOON + 7 * MILLISECOND + 999_999
    berlin = ZoneInfo("Europe/Berlin")
    assert format_time(moment, UTC) == "2026-03-01 12:00:00.007"
    assert format_time(moment, berlin, date=False) == "13:00:00.007"
    assert name_zone(moment, berlin) == "CET"
    assert format_timestamp(moment) == "2026-03-01T12:00:00.007999999Z"
    assert format_timestamp(NOON + SECOND - 1) == "2026-03-01T12:00:00.999999999Z"


@pytest.mark.parametrize(
    ("start", "duration", "bar"),
    [
        (0, 100, "██████████"),
        (0, 50, "█████"),
        (50, 50, "     █████"),
        (0, 0, "▏"),
        (99, 1, "         ▏"),
        (100, 0, "         ▏"),
        (20, 25, "  ██▌"),
        (-5, 10, "█"),
        (0, 500, "██████████"),
    ],
)
def test_bar_is_scaled_and_never_empty(start: int, duration: int, bar: str) -> None:
    assert draw_bar(start, duration, 100, 10) == bar


def test_bar_of_a_trace_without_extent_is_drawn() -> None:
    assert draw_bar(0, 0, 0, 10) == "▏"


def test_tree_is_drawn_depth_first() -> None:
    a, b, c, d, e = ([name] for name in "abcde")  # lists: told apart by identity
    children = {id(a): [b, c], id(b): [d]}
    drawn = [
        (branch.guide + branch.item[0], branch.below) for branch in walk_tree([a, e], children)
    ]
    assert drawn == [
        ("a", "│  "),
        ("├─ b", "│  │  "),
        ("│  └─ d", "│     " + "   "),
        ("└─ c", "      "),
        ("e", "   "),
    ]


def test_control_characters_become_escapes() -> None:
    assert plain("a\x1b[31mb\nc\u202e – é 漢") == r"a\x1b[31mb\nc\u202e – é 漢"


@pytest.mark.parametrize(
    ("width", "shown"),
    [(99, "momentum_bot.strategy.decide"), (20, "strategy.decide"), (5, "decide")],
)
def test_process_loses_its_outer_modules(width: int, shown: str) -> None:
    assert shorten_process("momentum_bot.strategy.decide", width) == shown


def column(width: int, *, flexible: bool = True) -> Column:
    return Column("", [Text("x" * width)], flexible=flexible)


@pytest.mark.parametrize(
    ("columns", "width", "widths"),
    [
        ([column(10), column(20)], 100, [10, 20]),
        ([column(10, flexible=False), column(50)], 40, [10, 28]),
        ([column(10), column(50), column(50)], 74, [10, 30, 30]),
        ([column(30, flexible=False), column(50)], 20, [30, 8]),
    ],
)
def test_flexible_columns_share_what_is_left(
    columns: list[Column], width: int, widths: list[int]
) -> None:
    assert fit_widths(columns, width) == widths
