"""Expressions of the user's that mark secrets: only what is quick passes."""

from __future__ import annotations

import re

import pytest

from tests.unit.config.conftest import Resolve
from tradespan.config.redaction import LONGEST_PATTERN, read_pattern
from tradespan.core.errors import InvalidPattern, InvalidSetting


@pytest.mark.parametrize(
    "pattern",
    [
        r"DU\d{6}",
        r"sk_live_\w+",
        r"sk_(live|test)_\w+",
        r"(?i)acct[-_ ]?(?:id|no)?[:=]\s?\w+",
        r"\w+@corp\.com",
        r"\w+\s+\w+",
        r"[a-z]+-[0-9]+",
        r"[^\]]+]",
        r"[]x]+[.]",
        r"(?:\d{4} ){3}\d{4}",
        r"(ab)+c",
        r"a++a+",
        r"(?<=id=)\w+",
        r"(?#note)(?P<iban>DE\d{20})(?!\d)",
        r"a{b|c{,5}d",
    ],
)
def test_quick_expressions_pass(pattern: str) -> None:
    assert read_pattern(pattern).pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(a+)+b", "repeat of what repeats"),
        (r"(a|a)*b", "repeat of what repeats or chooses"),
        (r"(a|ab){2,9}c", "repeat of what repeats or chooses"),
        (r"((a?b)c){30}", "repeat of what repeats"),
        (r"(?:a*)*", "repeat of what repeats"),
        (r"\d+\d+", "second repeat"),
        (r".*.*=", "second repeat"),
        (r"\w+\s*\w+", "second repeat"),
        (r"\w{1,500}\d+", "second repeat"),
        (r"[一-十]+[一-十]+", "second repeat"),
        (r"\w+(?:@|\w)\w+", "second repeat"),
        (r"a?" * 20 + "b", "too many optional parts"),
        (r"[ab]?" * 6 + "c+", "too many optional parts"),
        (r"(x)\1", "reference to a group"),
        (r"(?P<a>x)(?P=a)", "reference to a group"),
        (r"(x)?(?(1)a|b)", "reference to a group"),
        (r"(?=a+)b", "only looked at"),
        (r"(?x)a b", "flag x"),
        (r"a*", "matches the empty text"),
        ("a" * (LONGEST_PATTERN + 1), "longer than 300 characters"),
        (r"[", "unterminated character set"),
    ],
)
def test_what_could_be_slow_is_refused_in_words(pattern: str, said: str) -> None:
    with pytest.raises(re.error, match=said):
        read_pattern(pattern)


def test_a_refused_expression_is_named_with_its_key_origin_and_reason(resolve: Resolve) -> None:
    with pytest.raises(InvalidPattern) as caught:
        resolve({"TRADESPAN_REDACT_PATTERNS": r"DU\d{6};x(a+)+"})
    said = str(caught.value)
    assert "redact.patterns" in said
    assert "environment TRADESPAN_REDACT_PATTERNS" in said
    assert "a repeat of what repeats or chooses itself" in said


def test_the_settings_are_read_from_variables_and_code(resolve: Resolve) -> None:
    config = resolve(
        {"TRADESPAN_REDACT_NAMES": "account, desk_code", "TRADESPAN_REDACT": "off"},
        redact_keep=["session_id"],
        redact_patterns=[r"DU\d{6}"],
    )
    assert config.redact.names == ("account", "desk_code")
    assert config.redact.keep == ("session_id",)
    assert [pattern.pattern for pattern in config.redact.patterns] == [r"DU\d{6}"]
    assert not config.redact.enabled


@pytest.mark.parametrize("names", [3, ["-"], [1], "a,-"])
def test_what_is_no_name_is_refused(resolve: Resolve, names: object) -> None:
    with pytest.raises(InvalidSetting, match="expected names of fields"):
        resolve(redact_names=names)
