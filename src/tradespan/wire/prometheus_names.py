"""An instrument's and a label's name in Prometheus, by one function each.

Rules, panels, `/metrics` and the docs ask here, so that they name what Prometheus has: the same
name that its OTLP endpoint, and the Collector's exporters, give with suffixes and without UTF-8.

Source: OpenTelemetry specification 1.38, compatibility/prometheus_and_openmetrics.md, "OTLP Metric
points to Prometheus"; where it leaves open what happens, what Prometheus 3 does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_TOKEN = re.compile(r"[A-Za-z0-9:]+")
_LABEL_GAP = re.compile(r"[^A-Za-z0-9]+")
_UNIT_GAP = re.compile(r"[^A-Za-z0-9:]+")
_TOTAL, _RATIO = "total", "ratio"

UNITS: Final = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds",
    "us": "microseconds", "ns": "nanoseconds",
    "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams",
    "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
"""UCUM's unit → Prometheus' word; others stay as they are."""
PER_UNITS: Final = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip
"""The same behind a slash."""


class Named(NamedTuple):
    """What decides an instrument's name in Prometheus, and what it is there."""

    name: str
    unit: str
    kind: str
    """`counter`, `gauge`, `histogram`, or `updowncounter` with any underscores."""

    @property
    def prometheus(self) -> str:
        """Its name in Prometheus."""
        return prometheus_name(*self)

    @property
    def type(self) -> str:
        """Its type in Prometheus: `counter`, `gauge` or `histogram`."""
        return self.kind if self.kind in ("counter", "histogram") else "gauge"


def prometheus_name(name: str, unit: str, kind: str) -> str:
    """The name that an instrument has in Prometheus: of a histogram without `_bucket`, `_sum` ….

    `kind`: `counter`, `gauge`, `histogram`, or `updowncounter` with any underscores.

    Raises:
        ValueError: Nothing is left of the name.
    """
    tokens = _TOKEN.findall(name)
    if not tokens:
        raise ValueError(f"{name!r} has no letter or digit: Prometheus cannot name it")
    for word in _unit_words(unit):
        if word and word not in tokens:
            tokens.append(word)
    if kind == "counter":
        tokens = [*(token for token in tokens if token != _TOTAL), _TOTAL]
    elif unit == "1" and kind == "gauge":
        tokens = [*(token for token in tokens if token != _RATIO), _RATIO]
    joined = "_".join(tokens)
    return f"_{joined}" if joined[0].isdigit() else joined


def _unit_words(unit: str) -> tuple[str, str]:
    """The suffixes of a unit: `By/s` gives `bytes` and `per_second`. An annotation gives none."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    main = "" if _is_annotated(main) else _clean(UNITS.get(main, main))
    per = "" if _is_annotated(per) else _clean(PER_UNITS.get(per, per))
    return main, f"per_{per}" if per else ""


def _is_annotated(unit: str) -> bool:
    return "{" in unit or "}" in unit


def _clean(word: str) -> str:
    return _UNIT_GAP.sub("_", word).strip("_")


def prometheus_label(name: str) -> str:
    """The name that an attribute has as a label in Prometheus.

    Raises:
        ValueError: Nothing is left of the name.
    """
    core, around = name, ""
    if len(name) >= 4 and name.startswith("__") and name.endswith("__"):
        core, around = name[2:-2], "__"
    label = around + _LABEL_GAP.sub("_", core) + around
    if not label.strip("_"):
        raise ValueError(f"{name!r} has no letter or digit: Prometheus cannot name it")
    return f"key_{label}" if label[0].isdigit() else label


def find_collisions(instruments: Iterable[Named]) -> list[str]:
    """A sentence for each two instruments that Prometheus could not tell apart.

    Two of the same OpenTelemetry name, unit and kind are one instrument, and collide with nobody.
    A histogram takes the names of its `_bucket`, `_sum` and `_count` as well.
    """
    taken: dict[str, Named] = {}
    told = []
    for instrument in dict.fromkeys(instruments):
        name = instrument.prometheus
        series = [name]
        if instrument.type == "histogram":
            series += [f"{name}_bucket", f"{name}_sum", f"{name}_count"]
        other = next((taken[each] for each in series if each in taken), None)
        if other is not None:
            told.append(f"{_say(instrument)} and {_say(other)} are both {name} in Prometheus")
            continue
        taken.update(dict.fromkeys(series, instrument))
    return told


def _say(instrument: Named) -> str:
    return f"the {instrument.kind} {instrument.name} ({instrument.unit or 'no unit'})"
