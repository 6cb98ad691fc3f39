"""One scale for events, log lines and alerts."""

from __future__ import annotations

import logging

import pytest

from tradespan.signals.severity import (
    SEVERITIES,
    level_of,
    name_of,
    number_of,
    number_of_level,
)


def test_the_six_words_rise_in_opentelemetrys_numbers() -> None:
    assert list(SEVERITIES) == ["debug", "info", "warning", "error", "critical", "emergency"]
    assert list(SEVERITIES.values()) == [5, 9, 13, 17, 21, 24]


@pytest.mark.parametrize("word", SEVERITIES)
def test_a_word_and_its_number_lead_to_each_other_in_any_case(word: str) -> None:
    assert name_of(number_of(word)) == word
    assert number_of(word.upper()) == SEVERITIES[word]


def test_numbers_between_two_words_have_the_lower_ones_name() -> None:
    assert [name_of(each) for each in (1, 8, 12, 16, 20, 23, 24)] == [
        "debug", "debug", "info", "warning", "error", "critical", "emergency",
    ]  # fmt: skip


def test_words_of_other_systems_are_understood_and_unknown_ones_are_info() -> None:
    assert [number_of(each) for each in ("WARN", "fatal", "Err", "quite bad", None, 99)] == [
        13, 21, 17, 9, 9, 9,
    ]  # fmt: skip
    assert number_of(22) == 22


def test_levels_of_logging_become_the_numbers_that_opentelemetry_gives_them() -> None:
    levels = [logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR, logging.CRITICAL]
    assert [number_of_level(each) for each in levels] == [5, 9, 12, 13, 17, 21]
    assert [number_of_level(each) for each in (-3, 0, 1, 9, 53, 60, 10**9)] == [
        1, 1, 2, 4, 24, 24, 24,
    ]  # fmt: skip


def test_a_number_passes_as_the_level_of_its_word() -> None:
    assert [level_of(each) for each in SEVERITIES.values()] == [10, 20, 30, 40, 50, 50]
    assert level_of(1) == 10
