"""What a call means where that depends on the call: `[[map]]` tables with `when`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradespan.capture.arguments import Pick, Signature
from tradespan.config import MapRule
from tradespan.config.rules import Condition, FromArguments, FromResult, word_of
from tradespan.instrument.fields import ABSENT, FieldCapture, as_attribute, fields_of, follow, head
from tradespan.instrument.options import Case, Check, Field


class CasePlan:
    """What is known of a case before a call."""

    def __init__(self, case: Case, fields: Sequence[Field], signature: Signature) -> None:
        """`fields`: those of all calls; the case's own stand before them."""
        own = {field.attribute for field in case.fields}
        common = [field for field in fields if field.attribute not in own]
        self.signal = case.signal
        self.events = case.events
        self.fields = FieldCapture([*common, *case.fields], signature)
        self._before: list[tuple[Pick, tuple[str, ...], frozenset[str]]] = []
        self._after = [(check.path, check.words) for check in case.when if check.source == "result"]
        self._possible = True
        for check in case.when:
            if check.source != "result":
                self._read_before(check, signature)

    def _read_before(self, check: Check, signature: Signature) -> None:
        name, path = ("self", check.path) if check.source == "self" else head(check.path)
        try:
            self._before.append((signature.pick(name), path, check.words))
        except KeyError:  # there is no such parameter
            self._possible = False

    @property
    def is_late(self) -> bool:
        """Whether only the result tells if a call is such a one."""
        return bool(self._after)

    def may_be(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a call is such a one as far as its arguments tell."""
        if not self._possible:
            return False
        for pick, path, words in self._before:
            try:
                start = pick(args, kwargs)
            except (KeyError, IndexError):  # the call does not bring the parameter
                return False
            if not _meets(start, path, words):
                return False
        return True

    def is_it(self, result: Any) -> bool:
        """Whether it is one, by its result."""
        return all(_meets(result, path, words) for path, words in self._after)


def _meets(start: Any, path: tuple[str, ...], words: frozenset[str]) -> bool:
    value = follow(start, path)
    if value is ABSENT:
        return False
    if value is None:
        return "none" in words
    shown = as_attribute(value)
    return "*" in words or (shown is not None and word_of(shown) in words)


def cases_of(rules: Sequence[MapRule]) -> tuple[Case, ...]:
    """The cases of a function that these tables name; none if all its calls mean the same."""
    cases = [
        Case(rule.signal, rule.events, tuple(map(_as_check, rule.when)), tuple(fields_of(rule)))
        for rule in rules
        if rule.when
    ]
    others = [rule for rule in rules if not rule.when]
    if cases and others:
        cases.append(Case(others[0].signal, others[0].events))
    return tuple(cases)


def _as_check(condition: Condition) -> Check:
    source, words = condition.source, frozenset(condition.words)
    if isinstance(source, FromArguments):
        return Check("args", (source.parameter, *source.steps), words)
    return Check("result" if isinstance(source, FromResult) else "self", source.steps, words)
