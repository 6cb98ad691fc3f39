"""Which names a pattern selects, and which modules are looked at for it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.instrument.auto.names import (
    LEFT_ALONE,
    Selection,
    dotted_prefixes,
    literal_prefixes,
    script_name,
)


def selection(*include: str, exclude: tuple[str, ...] = ()) -> Selection:
    return Selection([re.compile(text) for text in include], [re.compile(t) for t in exclude])


def test_dotted_prefixes_go_from_the_function_to_the_package() -> None:
    assert list(dotted_prefixes("bot.risk.Limits.check")) == [
        "bot.risk.Limits.check",
        "bot.risk.Limits",
        "bot.risk",
        "bot",
    ]


@pytest.mark.parametrize(
    ("pattern", "selected", "not_selected"),
    [
        (
            r"bot\.risk\.Limits",
            ["bot.risk.Limits.check"],
            ["bot.risk.Limit.x", "bot.risk.LimitsX.y"],
        ),
        (r"bot", ["bot.f", "bot.risk.f"], ["bots.f", "robot.f"]),
        (r"bot\..*", ["bot.f", "bot.risk.Limits.check"], ["bots.f"]),
        (r"bot\.risk\.check", ["bot.risk.check"], ["bot.risk.checked", "bot.risk"]),
        (r".*\.submit", ["bot.execution.submit", "bot.Desk.submit"], ["bot.submitted"]),
        (r"bot\.(risk|execution)\..*", ["bot.risk.f", "bot.execution.f"], ["bot.strategy.f"]),
        (r"(?i)BOT\.F", ["bot.f"], ["bot.g"]),
    ],
)
def test_a_pattern_matches_a_whole_name_or_a_dotted_prefix(
    pattern: str, selected: list[str], not_selected: list[str]
) -> None:
    chosen = selection(pattern)
    assert all(chosen.selects(name) for name in selected)
    assert not any(chosen.selects(name) for name in not_selected)


def test_exclusion_wins_also_by_a_prefix() -> None:
    chosen = selection(r"bot\..*", exclude=(r"bot\.risk\.Limits", r".*\._.*"))
    assert chosen.selects("bot.risk.check")
    assert not chosen.selects("bot.risk.Limits.check")
    assert not chosen.selects("bot.risk._private")


def test_a_function_may_go_by_several_names() -> None:
    chosen = selection(r"__main__\.run", exclude=(r"bot\.stop",))
    assert chosen.selects("bot.run", "__main__.run")
    assert not chosen.selects("bot.stop", "__main__.run")


def test_every_pattern_that_matches_counts() -> None:
    chosen = selection(r"bot\..*", r"bot\.risk\..*", r"desk\..*")
    chosen.selects("bot.risk.check")
    assert list(chosen.matched.values()) == [1, 1, 0]


@pytest.mark.parametrize(
    ("pattern", "prefixes"),
    [
        (r"bot\.risk\..*", ("bot.risk.",)),
        (r"bot\.risk", ("bot.risk",)),
        (r"bot.risk", ("bot",)),
        (r"bot.*", ("bot",)),
        (r"bots?", ("bot",)),
        (r"bot\.?risk", ("bot",)),
        (r"bot{1}", ("bo",)),
        (r"^bot\.x$", ("bot.x",)),
        (r"a\.x|b\.y", ("a.x", "b.y")),
        (r"a\.(x|y)\.z", ("a.",)),
        (r"a\.[x|y]|b", ("a.", "b")),
        (r"a\.[]|x]|b", ("a.", "b")),
        (r"a\|b", ("a",)),
        (r"(?:a|b)\.c", ("",)),
        (r".*", ("",)),
        (r"(?i)bot", ("",)),
        (r"(?x) bot * ", ("",)),
        (r"größe\.f", ("größe.f",)),
        (r"", ("",)),
    ],
)
def test_literal_beginnings(pattern: str, prefixes: tuple[str, ...]) -> None:
    assert literal_prefixes(re.compile(pattern)) == prefixes


@pytest.mark.parametrize(
    ("pattern", "looked_at", "passed_over"),
    [
        (r"bot\.risk\..*", ["bot", "bot.risk", "bot.risk.deep"], ["bot.execution", "bots", "b"]),
        (r"bot\.risk\.Limits\.check", ["bot", "bot.risk", "bot.risk.Limits"], ["bot.riskier"]),
        (r".*", ["bot", "numpy.linalg"], ["json", "logging.handlers", "tradespan.core", "pytest"]),
        (r".*\.submit", ["bot.x"], ["asyncio.tasks", "opentelemetry.trace"]),
        (r"json\..*", ["json", "json.decoder"], ["logging"]),
        (r"tradespan\..*", [], ["tradespan", "tradespan.core.guard"]),
        (r"tradespan_bot\..*", ["tradespan_bot"], ["tradespan"]),
        (r"(json|bot)\..*", ["json.decoder", "bot"], ["csv"]),
    ],
)
def test_modules_that_are_looked_at(
    pattern: str, looked_at: list[str], passed_over: list[str]
) -> None:
    chosen = selection(pattern)
    assert [name for name in looked_at if not chosen.may_select_in(name)] == []
    assert [name for name in passed_over if chosen.may_select_in(name)] == []


# ── any pattern, any name ───────────────────────────────────────────────────────────────────────

WORDS = ["bot", "b", "risk", "Limits", "check", "_x", "bots", "a1", "__main__", "größe"]
NAME = st.lists(st.sampled_from(WORDS), min_size=2, max_size=5).map(".".join)
ATOM = st.sampled_from(
    [
        *WORDS,
        r"\.",
        ".",
        r"\w",
        r"\w+",
        ".*",
        ".+",
        "[a-z]",
        "[^.]*",
        "[|]",
        "(?:)",
        "^",
        "$",
        r"\b",
    ]
)
QUANTIFIED = st.tuples(ATOM, st.sampled_from(["", "", "", "?", "*", "+", "{1}", "{0,2}"])).map(
    lambda parts: parts[0] + (parts[1] if parts[0][-1] not in "*+^$b" or parts[0] == "b" else "")
)


def grouped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.lists(inner, min_size=1, max_size=4).map("".join)
    either = st.lists(joined, min_size=1, max_size=3).map("|".join)
    return joined | either | either.map("({})".format) | either.map("(?:{})?".format)


PATTERN = st.tuples(
    st.sampled_from(["", "", "(?i)", "(?x)", "(?s)"]),
    st.recursive(QUANTIFIED, grouped, max_leaves=8),
).map("".join)


def compiled(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text)
    except re.error:
        return None


@settings(max_examples=500)
@given(PATTERN.map(compiled).filter(bool), NAME, st.data())
def test_what_a_pattern_selects_is_in_a_module_that_is_looked_at(
    pattern: re.Pattern[str], name: str, data: st.DataObject
) -> None:
    chosen = Selection([pattern])
    if chosen.selects(name):
        parts = name.split(".")
        split = data.draw(st.integers(1, len(parts) - 1))
        assert chosen.may_select_in(".".join(parts[:split]))


@settings(max_examples=300)
@given(NAME, st.data())
def test_a_name_selects_what_is_in_a_module_that_is_looked_at(
    name: str, data: st.DataObject
) -> None:
    prefix = data.draw(st.sampled_from(list(dotted_prefixes(name))))
    ending = data.draw(st.sampled_from(["", r"\..*", r"(\..*)?", "$", "|other"]))
    chosen = selection(re.escape(prefix) + ending)
    if chosen.selects(name):
        assert chosen.may_select_in(name.rpartition(".")[0])


def test_no_word_of_the_test_is_a_package_that_is_left_alone() -> None:
    assert LEFT_ALONE.isdisjoint(WORDS)


# ── hints ───────────────────────────────────────────────────────────────────────────────────────


def test_a_pattern_that_selects_nothing_is_told_near_names() -> None:
    chosen = selection(r"bot\.risk\.chekc")
    for name in ("bot.risk.check", "bot.risk.Limits.size", "bot.execution.submit"):
        chosen.selects(name)
    assert chosen.hints(chosen.include[0])[0] == "bot.risk.check"


def test_a_misspelt_module_is_told_the_modules_there_are() -> None:
    chosen = selection(r"momentum_bto\..*")
    assert chosen.hints(re.compile(r"hypothesys\..*")) == []  # left alone, so no hint either
    chosen.near.add("momentum_bot.strategy.decide")
    hints = chosen.hints(re.compile(r"momentum_bto\.strategy\.(decide|x)"))
    assert hints[0] == "momentum_bot.strategy"
    assert chosen.hints(chosen.include[0])[0] == "momentum_bot"


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ({"__file__": "/a/bot.py", "__spec__": None}, "bot"),
        ({"__file__": "/a/pkg/__main__.py", "__spec__": re.__spec__}, "re"),
        ({"__file__": "run", "__spec__": None}, "run"),
        ({"__spec__": None}, ""),
    ],
)
def test_the_scripts_name(namespace: dict[str, object], name: str) -> None:
    assert script_name(namespace) == name
