"""Durations and sizes, as text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradespan.config import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("2m", 120),
        ("6h", 21_600),
        ("1d", 86_400),
        ("90", 90),
        ("0.25", 0.25),
        ("1.5h", 5_400),
        ("50us", 0.00005),
        ("50µs", 0.00005),
        (" 3 s ", 3),
        ("0", 0),
    ],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "fast", "10x", "-1s", "1h30m", "10S", "1e3s", "9" * 400, "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.1, "100ms"), (1.5, "1500ms"), (90, "90s"), (120, "2m"), (86_400, "1d")],
)
def test_a_duration_is_written_in_the_unit_that_says_it_exactly(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e15, allow_nan=False))
def test_a_written_duration_reads_back_as_the_same_seconds(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("256KiB", 256 * 1024),
        ("2GiB", 2 * 1024**3),
        ("100MB", 100_000_000),
        ("100mb", 100_000_000),
        ("1.5 KiB", 1_536),
        ("42", 42),
        ("42B", 42),
        ("9007199254740993B", 9_007_199_254_740_993),
    ],
)
def test_a_size_is_read_as_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "1.5B", "-1MB", "2GiBs", "9" * 400 + ".0"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=2**63))
def test_a_written_size_reads_back_as_the_same_bytes(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_a_size_is_written_in_its_shortest_form() -> None:
    assert [format_size(n) for n in (2 * 1024**3, 256 * 1024, 10**8, 1_001)] == [
        "2GiB",
        "256KiB",
        "100MB",
        "1001B",
    ]
