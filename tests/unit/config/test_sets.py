"""The setting `sets`: names of sets, all, or none."""

from __future__ import annotations

import pytest

from tradespan.config import load_config
from tradespan.config.sets import KNOWN
from tradespan.core.errors import InvalidSetting
from tradespan.signals.sets.switch import Sets


@pytest.mark.parametrize(
    ("given", "sets"),
    [
        ("system,engine", ("engine", "system")),
        (["orders"], ("orders",)),
        ("all", KNOWN),
        (True, KNOWN),
        ("none", ()),
        ("", ()),
    ],
)
def test_sets_are_named_in_any_order(given: object, sets: tuple[str, ...]) -> None:
    assert load_config({"sets": given}).sets == sets


def test_there_are_none_from_the_start_unless_somebody_says_so() -> None:
    assert load_config({}).sets == ()


def test_the_environment_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADESPAN_SETS", "feed, system")
    assert load_config({}).sets == ("feed", "system")


@pytest.mark.parametrize("given", ["order", ["orders", 1], 7])
def test_another_name_is_refused_with_those_that_there_are(given: object) -> None:
    with pytest.raises(InvalidSetting, match="all, none, or some of engine, orders"):
        load_config({"sets": given})


def test_each_name_is_a_set() -> None:
    assert set(KNOWN) <= set(vars(Sets))
