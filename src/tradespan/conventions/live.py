"""The live check: telemetry as it was recorded, held against what is declared.

Levels and rules are those of OpenTelemetry's weaver (`registry live-check`), as far as they apply.
Memory is bounded by the kinds of deviation that are kept, not by what is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tradespan.conventions.findings import Finding, Findings, Level, shorten
from tradespan.conventions.known import ON_ANY_EVENT, Known
from tradespan.conventions.tables import nearest
from tradespan.declare.attributes import Attribute, Signal
from tradespan.declare.instruments import Instrument
from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.declare.wording import is_id
from tradespan.pages.numbers import OVERFLOW_LABEL

_PYTHON: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "double": (float, int),
    "boolean": (bool,),
    "any": (str, int, float, bool, bytes, list, dict, type(None)),
    "string[]": (list, tuple),
}
_TOLD = {str: "string", bool: "boolean", int: "int", float: "double", list: "list", dict: "map"}


class Series(NamedTuple):
    """One series of a metric, as it was read."""

    name: str
    unit: str
    kind: str
    """`counter`, `updowncounter`, `gauge` or `histogram`; empty: not known."""
    labels: Mapping[str, Any]
    values: Sequence[float] = ()
    """Numbers that are to be finite."""
    bounds: tuple[float, ...] | None = None


class LiveCheck:
    """Looks at one piece of telemetry after the other."""

    def __init__(self, known: Known, findings: Findings | None = None) -> None:
        self.known = known
        self.findings = findings if findings is not None else Findings()
        self.looked_at = {"span": 0, "log": 0, "metric": 0}

    # ── pieces ──────────────────────────────────────────────────────────────────────────────────

    def span(
        self,
        name: str,
        attributes: Mapping[str, Any],
        events: Iterable[tuple[str, Mapping[str, Any]]] = (),
        *,
        finished: bool = True,
        where: str = "",
    ) -> None:
        """A span, with what happened in it. One that runs still may get what it lacks."""
        self.looked_at["span"] += 1
        where = f"span {name}{where}"
        self.attributes(attributes, where)
        for event, held in events:
            self.attributes(held, f"{where}, event {event}")
        signal = attributes.get(TRADESPAN_SIGNAL)
        if isinstance(signal, str) and finished:
            declared = self.known.signals.get(signal)
            if declared is not None:
                self._required(f"signal {signal}", declared, attributes, where)

    def log(self, event: str, attributes: Mapping[str, Any], where: str = "") -> None:
        """A log line, or an event."""
        self.looked_at["log"] += 1
        where = f"event {event}{where}" if event else f"log line{where}"
        self.attributes(attributes, where)
        if not event:
            return
        declared = self.known.events.get(event)
        if declared is None:
            self._unknown_event(event, where)
            return
        self._required(f"event {event}", declared, attributes, where)
        for name in attributes:
            if self.known.covers(name) and name not in (*declared.attributes, *ON_ANY_EVENT):
                self._tell(
                    Level.IMPROVEMENT, "undeclared_field", name, where,
                    f"the event {event} is declared without it", detail=event,
                    among=(name, declared.attributes),
                )  # fmt: skip

    def metric(self, series: Series, where: str = "") -> None:
        """A series of an instrument."""
        self.looked_at["metric"] += 1
        where = f"metric {series.name}{where}"
        if any(not math.isfinite(value) for value in series.values):
            self._tell(
                Level.VIOLATION, "not_a_number", series.name, where, "a value is NaN, or infinite"
            )
        for label in series.labels:
            if is_id(label):
                self._tell(
                    Level.VIOLATION, "id_as_label", series.name, where,
                    f"the label {shorten(label)} is an id, and ids never become labels",
                    detail=label,
                )  # fmt: skip
        declared = self.known.instruments.get(series.name)
        if declared is None:
            self._unknown_instrument(series, where)
            return
        self._instrument(series, declared, where)
        for name, value in series.labels.items():
            # In a page each label's value is text, whatever the attribute's type.
            attribute = self.known.attribute(name)
            members = attribute.members if attribute is not None else ()
            if members and isinstance(value, str) and value not in ("", *members):
                self._member(name, value, members, where)

    def attributes(self, attributes: Mapping[str, Any], where: str) -> None:
        """Attributes of anything."""
        for name, value in attributes.items():
            if self.known.covers(name):
                declared = self.known.attribute(name)
                if declared is not None:
                    self._value(name, value, declared, where)
                else:
                    self._tell(
                        Level.VIOLATION, "unknown_attribute", name, where,
                        "no attribute of this name is declared", among=(name, self.known.names()),
                    )  # fmt: skip

    # ── rules ───────────────────────────────────────────────────────────────────────────────────

    def _value(self, name: str, value: Any, declared: Attribute, where: str) -> None:
        types = _PYTHON.get(declared.type, (object,))
        fits = isinstance(value, types)
        if isinstance(value, bool) and bool not in types:
            fits = False
        if not fits:
            told = _TOLD.get(type(value), type(value).__name__)
            self._tell(
                Level.VIOLATION, "wrong_type", name, f"{where}: {value!r}",
                f"it is declared as {declared.type}, and came as {told}", detail=told,
            )  # fmt: skip
        elif isinstance(value, float) and not math.isfinite(value):
            self._tell(Level.VIOLATION, "not_a_number", name, where, f"its value is {value}")
        elif declared.members and isinstance(value, str) and value not in declared.members:
            self._member(name, value, declared.members, where)

    def _member(self, name: str, value: str, members: tuple[str, ...], where: str) -> None:
        near = nearest(value.lower().replace(" ", "_").replace("-", "_"), members)
        level = Level.IMPROVEMENT if near else Level.INFORMATION
        value = shorten(value)
        self._tell(
            level, "undeclared_value", name, where, f"{value!r} is none of its declared values",
            detail=value, near=near,
        )  # fmt: skip

    def _required(
        self, what: str, declared: Signal, attributes: Mapping[str, Any], where: str
    ) -> None:
        for name in declared.required:
            if name not in attributes:
                self._tell(
                    Level.IMPROVEMENT, "missing_attribute", name, where,
                    f"the {what} is declared with it, and came without", detail=what,
                )  # fmt: skip

    def _unknown_event(self, event: str, where: str) -> None:
        if event in self.known.aliases:
            own = self.known.aliases[event]
            self._tell(
                Level.IMPROVEMENT, "other_name", event, where, "the event has this other name",
                near=own,
            )  # fmt: skip
        elif self.known.covers(event):
            self._tell(
                Level.VIOLATION, "unknown_event", event, where,
                "no event of this name is declared", among=(event, self.known.events),
            )  # fmt: skip
        else:
            self._tell(
                Level.INFORMATION, "unknown_event", event, where,
                "an event of your own that no file declares",
            )  # fmt: skip

    def _unknown_instrument(self, series: Series, where: str) -> None:
        if self.known.covers(series.name) and series.name not in self.known.named:
            self._tell(
                Level.VIOLATION, "unknown_metric", series.name, where,
                "no instrument of this name is declared",
                among=(series.name, self.known.instruments),
            )  # fmt: skip

    def _instrument(self, series: Series, declared: Instrument, where: str) -> None:
        for rule, wanted, came in (
            ("wrong_unit", declared.unit, series.unit),
            ("wrong_instrument", declared.kind, series.kind),
        ):
            if came != wanted and (came or rule == "wrong_unit"):
                what = "unit" if rule == "wrong_unit" else "instrument"
                self._tell(
                    Level.VIOLATION, rule, series.name, where,
                    f"its {what} is declared as {wanted!r}, and came as {came!r}",
                    detail=came, near=wanted,
                )  # fmt: skip
        for label in series.labels:
            if label not in declared.labels and label != OVERFLOW_LABEL:
                self._tell(
                    Level.VIOLATION, "label_not_allowed", series.name, where,
                    f"{shorten(label)} is none of its labels",
                    detail=label, among=(label, declared.labels),
                )  # fmt: skip
        if declared.bounds and series.bounds is not None and series.bounds != declared.bounds:
            self._tell(
                Level.IMPROVEMENT, "other_bounds", series.name, where,
                "its buckets have other bounds than the declared ones",
            )  # fmt: skip

    def _tell(
        self,
        level: Level,
        rule: str,
        name: str,
        where: str,
        message: str,
        *,
        detail: str = "",
        near: str = "",
        among: tuple[str, Iterable[str]] | None = None,
    ) -> None:
        """`near`: what may be meant; `among`: a word, and those that it may be a near one of."""
        name, detail = shorten(name), shorten(detail)
        findings = self.findings
        if not findings.seen(rule, name, detail) and not findings.pass_over(level):
            near = nearest(*among) if among is not None else near
            findings.add(Finding(level, rule, name, message, near, 1, shorten(where)), detail)
