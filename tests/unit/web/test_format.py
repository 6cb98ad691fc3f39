from __future__ import annotations

import pytest

from tradespan.web.format import (
    format_age,
    format_count,
    format_duration,
    format_part,
    format_share,
)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (640, "640 ns"),
        (12_480, "12.5 µs"),
        (99_999, "100.0 µs"),
        (100_000, "0.1 ms"),
        (800_000, "0.8 ms"),
        (41_200_000, "41.2 ms"),
        (999_940_000, "999.9 ms"),
        (999_950_000, "1.00 s"),
        (2_040_000_000, "2.04 s"),
        (59_994_000_000, "59.99 s"),
        (60_000_000_000, "1 m 00 s"),
        (247_000_000_000, "4 m 07 s"),
        (11_520_000_000_000, "3 h 12 m"),
    ],
)
def test_duration_is_in_the_unit_that_reads_best(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text


def test_age_names_its_two_largest_units() -> None:
    assert format_age(12_900_000_000) == "12 s"
    assert format_age(190_800 * 1_000_000_000) == "2 d 5 h"


def test_count_is_separated_by_thousands() -> None:
    assert format_count(1_204_118) == "1,204,118"
    assert format_count(1, "span") == "1 span"
    assert format_count(2_000, "span") == "2,000 spans"
    assert format_count(0, "trace") == "0 traces"


def test_part_names_a_shared_unit_once() -> None:
    assert format_part(38_100_000, 41_200_000) == "38.1 of 41.2 ms"
    assert format_part(800, 41_200_000) == "800 ns of 41.2 ms"


def test_small_share_is_not_called_nothing() -> None:
    assert format_share(0.4).replace("\N{NO-BREAK SPACE}", " ") == "40 %"
    assert format_share(0.004).replace("\N{NO-BREAK SPACE}", " ") == "< 1 %"
