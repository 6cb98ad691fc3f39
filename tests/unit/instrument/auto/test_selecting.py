"""What is selected by settings and by code, and what is said when nothing is."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

import tradespan
from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Configure, Write
from tradespan.core.errors import InvalidPattern
from tradespan.instrument.auto.watcher import Watcher

Watch = Callable[..., Watcher]
Load = Callable[[str], ModuleType]

RISK = """
    LIMIT = 5

    def check(n):
        return n <= LIMIT

    class Limits:
        def size(self, n):
            return min(n, LIMIT)
"""


# ── what selects nothing, and what selects anew ─────────────────────────────────────────────────


def test_a_pattern_that_matches_nothing_is_told_near_names(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    load("desk")
    watcher = watch(r"desk\.chekc", r"deks\..*", r"desk\.Limits")
    assert watcher.remarks() == [
        r"the pattern 'desk\.chekc' matched no function; near names: desk.check",
        r"the pattern 'deks\..*' matched no function; near names: desk",
    ]


def test_an_exclude_pattern_that_excludes_nothing_is_told(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    load("desk")
    watcher = watch("desk", exclude=(r"desk\.chekc", r"desk\.check"))
    assert watcher.remarks() == [r"the pattern 'desk\.chekc' excluded nothing"]


def test_excludes_said_by_habit_in_code_are_not_told(
    write: Write, watcher: Watcher, load: Load
) -> None:
    write(desk=RISK)
    load("desk")
    watcher.instrument("desk", None, ["test_"])
    assert watcher.remarks() == []


def test_a_pattern_without_a_module_is_told_how_to_match_in_any(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    load("desk")
    watcher = watch("on_tick", r"Limits\.on_tick", r"^on_tick", "desk")
    assert watcher.remarks() == [
        r"the pattern 'on_tick' matched no function;"
        r" names begin with their module: .*\.on_tick matches in any",
        r"the pattern 'Limits\.on_tick' matched no function;"
        r" names begin with their module: .*\.Limits\.on_tick matches in any",
        "the pattern '^on_tick' matched no function",
    ]


def test_a_module_without_functions_is_not_told_as_near_to_itself(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk="LIMIT = 5")
    load("desk")
    assert watch("desk").remarks() == ["the pattern 'desk' matched no function"]


@pytest.mark.parametrize("target", [tradespan, tradespan.monitor, "tradespan.core"])
def test_tradespan_itself_is_refused(watcher: Watcher, target: object) -> None:
    with pytest.raises(ValueError, match="tradespan does not watch itself"):
        watcher.instrument(target, None, None)
    assert watcher.report.watched == {}


def test_a_name_given_in_code_is_watched_now_and_later(
    captured: Captured, write: Write, watcher: Watcher, load: Load
) -> None:
    write(desk=RISK, other=RISK, later=RISK)
    desk, other = load("desk"), load("other")
    assert watcher.instrument(desk, None, r"desk\.Limits") == ["desk.check"]
    assert watcher.instrument("other", r"other\.Limits", None) == ["other.Limits.size"]
    assert watcher.instrument("later", None, None) == []
    for module in (desk, other, load("later")):
        module.check(1)
        module.Limits().size(1)
    assert [span.name for span in captured.spans] == [
        "desk.check",
        "other.Limits.size",
        "later.check",
        "later.Limits.size",
    ]


@pytest.mark.parametrize("target", ["desk.Limits", "desk.Limits.size"])
def test_a_class_or_function_may_be_named_as_well(
    captured: Captured, write: Write, watcher: Watcher, load: Load, target: str
) -> None:
    write(desk=RISK)
    load("desk")
    assert watcher.instrument(target, None, None) == ["desk.Limits.size"]


def test_a_class_or_function_may_be_given_as_well(
    write: Write, watcher: Watcher, load: Load
) -> None:
    write(desk=RISK)
    desk = load("desk")
    assert watcher.instrument(desk.Limits, None, None) == ["desk.Limits.size"]
    assert watcher.instrument(desk.check, None, None) == ["desk.check"]


@pytest.mark.parametrize(("include", "exclude"), [("(", None), (None, "(")])
def test_a_pattern_that_does_not_compile_is_refused(
    watcher: Watcher, include: str | None, exclude: str | None
) -> None:
    with pytest.raises(InvalidPattern, match="include" if include else "exclude"):
        watcher.instrument("desk", include, exclude)


def test_settings_that_come_later_count_for_what_is_watched_already(
    captured: Captured, write: Write, watcher: Watcher, config: Configure, load: Load
) -> None:
    write(desk=RISK)
    desk = load("desk")
    watcher.instrument("desk", None, None)
    file = """
        [[instrument]]
        pattern = 'desk\\..*'
        process_group = "checks"
        capture = { args = false }

        [[map]]
        function = 'desk\\.check'
        signal = "decision"
        [map.fields]
        "trading.limit" = "args.n"
    """
    watcher.apply(config(file))
    desk.check(3)
    span = captured.one()
    assert span.attributes["tradespan.process_group"] == "checks"
    assert span.attributes["tradespan.signal"] == "decision"
    assert span.own == {"trading.limit": 3}
    assert span.arguments == {}


def test_a_table_that_names_a_function_gives_its_options(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    watch(file="[[instrument]]\npattern = 'desk\\.Limits'\nprocess_group = 'limits'")
    desk = load("desk")
    desk.check(1)
    desk.Limits().size(1)
    span = captured.one()
    assert (span.name, span.attributes["tradespan.process_group"]) == ("desk.Limits.size", "limits")


def test_without_a_table_a_functions_group_is_its_module(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(**{"pkg.risk": RISK})
    watch(r"pkg\..*")
    risk = load("pkg.risk")
    risk.check(1)
    risk.Limits().size(1)
    groups = [span.attributes["tradespan.process_group"] for span in captured.spans]
    assert groups == ["risk", "risk"]
