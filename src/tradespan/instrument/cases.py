"""What a call means where that depends on the call: `[[map]]` tables with `when`."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any, NamedTuple

from opentelemetry.trace import get_current_span

from tradespan.capture.arguments import Pick, Signature
from tradespan.config import MapRule
from tradespan.config.rules import Condition, FromArguments, FromResult, word_of
from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.instrument.fields import ABSENT, FieldCapture, as_attribute, fields_of, follow, head
from tradespan.instrument.meaning import Facts, Meaning, report
from tradespan.instrument.options import Case, Check, Field
from tradespan.instrument.span import Span


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


class _Open(NamedTuple):
    """A call that may be of a case."""

    case: CasePlan
    meaning: Meaning
    facts: Facts
    missing: list[tuple[str, str]]


class ToldByCase:
    """Calls whose meaning depends on their arguments or result: the first case that they meet.

    What a call turns out to mean is written to its span from here, where it has one.
    """

    __slots__ = ("_cases", "_site")

    def __init__(self, cases: Sequence[tuple[CasePlan, Meaning]], site: int) -> None:
        self._cases = cases
        self._site = site

    def begin(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[_Open], bool, int] | None:
        try:
            found: list[_Open] = []
            for case, meaning in self._cases:
                if case.may_be(args, kwargs):
                    missing: list[tuple[str, str]] = []
                    facts = case.fields.take(args, kwargs, lambda *why, to=missing: to.append(why))
                    found.append(_Open(case, meaning, facts, missing))
                    if not case.is_late:
                        break
            if not found:
                return None
            is_known = not found[0].case.is_late
            if is_known:
                self._begin(found[0])
            return found, is_known, perf_counter_ns()
        except BaseException as error:  # noqa: BLE001 - the host comes first
            report(error)
            return None

    def returned(self, call: tuple[list[_Open], bool, int] | None, result: Any) -> None:
        if call is None:
            return
        found, is_known, began = call
        took = perf_counter_ns() - began
        try:
            met = next((each for each in found if is_known or each.case.is_it(result)), None)
            if met is None:
                return
            if not is_known:
                self._begin(met)
            if met.case.fields.reads_result:
                before = dict(met.facts)
                met.case.fields.take_after(met.facts, result, met.meaning.missed)
                self._write({key: met.facts[key] for key in met.facts.keys() - before.keys()})
            met.meaning.ended(met.facts, took / 1e9, None)
        except BaseException as error:  # noqa: BLE001 - the host comes first
            report(error)

    def raised(self, call: tuple[list[_Open], bool, int] | None, error: BaseException) -> None:
        """Of one without a result, cases that ask for it are not met."""
        if call is None:
            return
        found, is_known, began = call
        took = perf_counter_ns() - began
        try:
            if found[-1].case.is_late:
                return
            if not is_known:
                self._begin(found[-1])
            failed = error if isinstance(error, Exception) else None
            found[-1].meaning.ended(found[-1].facts, took / 1e9, failed)
        except BaseException as broken:  # noqa: BLE001 - the host comes first
            report(broken)

    def _begin(self, met: _Open) -> None:
        for attribute, problem in met.missing:
            met.meaning.missed(attribute, problem)
        self._write({TRADESPAN_SIGNAL: met.case.signal, **met.facts})
        met.meaning.begins(met.facts)

    def _write(self, facts: Facts) -> None:
        span = get_current_span()
        # Of a call that sampling passed over the current span is another function's.
        if type(span) is Span and span.site == self._site:
            for attribute, value in facts.items():
                span.set_attribute(attribute, value)


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
