"""Metrics as a scraper reads them: Prometheus' text format 0.0.4, and OpenMetrics 1.0.

Sources: prometheus.io/docs/instrumenting/exposition_formats and the OpenMetrics specification, 1.0;
names, `target_info`, `job` and `instance` by OpenTelemetry's compatibility specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tradespan.declare.names import TRADESPAN_EXEMPLAR
from tradespan.wire.measured import Distribution, Exemplar, Labels, Metric, Point
from tradespan.wire.prometheus_names import UNITS, prometheus_label

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MOST_EXEMPLAR: Final = 128
"""Characters of an exemplar's labels in OpenMetrics, names and values together."""
_TOTAL = "_total"
_OURS = ("job", "instance", "le")
_AS_TARGET = frozenset({"service.name", "service.namespace", "service.instance.id"})
"""Of a resource: they are `job` and `instance`."""
_EXEMPLAR_LABEL = prometheus_label(TRADESPAN_EXEMPLAR)


class Target(NamedTuple):
    """Whose points they are."""

    job: str
    instance: str
    facts: Mapping[str, Any]
    """The resource's attributes."""
    points: Sequence[tuple[Metric, Point]]


@dataclass(slots=True)
class Exposition:
    """What a scraper is given."""

    text: str = ""
    problems: list[str] = field(default_factory=list)
    """Sentences about metrics that were left out."""


@dataclass(slots=True)
class _Family:
    metric: Metric
    lines: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


def accepts_openmetrics(accept: str) -> bool:
    """Whether a scraper that sends this `Accept` header prefers OpenMetrics to plain text."""
    weights = {"openmetrics": 0.0, "text": 0.0}
    for each in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in each.split(";"))
        told = dict(part.partition("=")[::2] for part in parameters)
        try:
            weight = float(told.get("q", "1"))
        except ValueError:
            continue
        if kind == "application/openmetrics-text" and told.get("version", "1.0.0") in _VERSIONS:
            weights["openmetrics"] = max(weights["openmetrics"], weight)
        elif kind in ("text/plain", "text/*", "*/*"):
            weights["text"] = max(weights["text"], weight)
    return weights["openmetrics"] > 0 and weights["openmetrics"] >= weights["text"]


_VERSIONS = ("1.0.0", "0.0.1")


def render(targets: Iterable[Target], *, openmetrics: bool = False) -> Exposition:
    """All points of some targets, each metric's together.

    Of two metrics that Prometheus could not tell apart, the first stays and the other is told of.
    """
    exposition = Exposition()
    families: dict[str, _Family] = {}
    taken = {"target_info": "whose metrics they are"}
    told = list(targets)
    for target in told:
        base = _labels((), target, "")
        for metric, point in target.points:
            try:
                name = metric.named.prometheus
                family = _find(families, taken, name, metric)
                lines = _samples(name, metric, _labels(point.labels, target, base), point)
                _place(family, name, lines, openmetrics=openmetrics)
            except ValueError as error:
                if str(error) not in exposition.problems:
                    exposition.problems.append(str(error))
    pieces = [line for name in families for line in _family(name, families[name], openmetrics)]
    pieces += _target_info(told, openmetrics=openmetrics)
    pieces += ["# EOF\n"] if openmetrics else []
    exposition.text = "".join(pieces)
    return exposition


class _Sample(NamedTuple):
    suffix: str
    labels: str
    value: str
    exemplar: Exemplar | None = None
    openmetrics_only: bool = False
    text_only: bool = False


def _find(
    families: dict[str, _Family], taken: dict[str, str], name: str, metric: Metric
) -> _Family:
    known = families.get(name)
    if known is None:
        series = [name] + [f"{name}{end}" for end in _ENDS.get(metric.kind, ())]
        if other := next((taken[each] for each in series if each in taken), ""):
            raise ValueError(f"{metric.name} is left out: {other} has its name in Prometheus")
        taken.update(dict.fromkeys(series, metric.name))
        known = families[name] = _Family(metric)
    if known.metric.named != metric.named:
        raise ValueError(
            f"{metric.name} ({metric.kind}) is left out: {known.metric.name}"
            f" ({known.metric.kind}) is {name} in Prometheus, too"
        )
    return known


_ENDS = {"histogram": ("_bucket", "_sum", "_count", "_created")}


def _place(family: _Family, name: str, samples: Iterable[_Sample], *, openmetrics: bool) -> None:
    base = name.removesuffix(_TOTAL) if openmetrics and family.metric.kind == "counter" else name
    for sample in samples:
        if sample.text_only if openmetrics else sample.openmetrics_only:
            continue
        key = f"{sample.suffix}{{{sample.labels}}}"
        if key in family.seen:
            raise ValueError(f"{family.metric.name} has a series twice: labels have one name")
        family.seen.add(key)
        suffix = sample.suffix
        if family.metric.kind == "counter" and not suffix and openmetrics:
            suffix = _TOTAL
        exemplar = _exemplar(sample.exemplar) if openmetrics and sample.exemplar else ""
        labels = f"{{{sample.labels}}}" if sample.labels else ""
        family.lines.append(f"{base}{suffix}{labels} {sample.value}{exemplar}\n")


def _samples(name: str, metric: Metric, labels: str, point: Point) -> Iterator[_Sample]:
    value = point.value
    if value is None:
        return
    created = f"{point.start / 1e9:.3f}" if point.start else ""
    if not isinstance(value, Distribution):
        latest = point.exemplars[-1] if point.exemplars and metric.kind == "counter" else None
        yield _Sample("", labels, _number(value), latest)
        if created and metric.kind == "counter":
            yield _Sample("_created", labels, created, openmetrics_only=True)
        return
    yield from _buckets(labels, value, point.exemplars)
    # Source: OpenMetrics 1.0, "Histogram": what may fall is no sum, and without one there is no
    # count; the last bucket says the same.
    falls = value.falls
    yield _Sample("_count", labels, str(value.measured), text_only=falls)
    yield _Sample("_sum", labels, _number(value.sum), text_only=falls)
    if created:
        yield _Sample("_created", labels, created, openmetrics_only=True)


def _buckets(labels: str, value: Distribution, exemplars: Sequence[Exemplar]) -> Iterator[_Sample]:
    below, before = 0, float("-inf")
    for bound, count in zip((*value.bounds, float("inf")), value.counts, strict=True):
        below += count
        inside = [each for each in exemplars if before < each.value <= bound]
        edge = "+Inf" if bound == float("inf") else repr(float(bound))
        le = f'{labels}{"," if labels else ""}le="{edge}"'
        yield _Sample("_bucket", le, str(below), inside[-1] if inside else None)
        before = bound


def _family(name: str, family: _Family, openmetrics: bool) -> Iterator[str]:
    metric = family.metric
    kind = metric.named.type
    if openmetrics and metric.kind == "counter":
        name = name.removesuffix(_TOTAL)
    yield f"# HELP {name} {_help(metric.description, quotes=openmetrics)}\n"
    yield f"# TYPE {name} {kind}\n"
    word = UNITS.get(metric.unit, "")
    if openmetrics and word and name.endswith(f"_{word}"):
        yield f"# UNIT {name} {word}\n"
    yield from family.lines


def _target_info(targets: Sequence[Target], *, openmetrics: bool) -> Iterator[str]:
    if not targets:
        return
    name, kind = ("target", "info") if openmetrics else ("target_info", "gauge")
    yield f"# HELP {name} Whose metrics they are.\n# TYPE {name} {kind}\n"
    for job, instance in dict.fromkeys((each.job, each.instance) for each in targets):
        target = next(each for each in targets if (each.job, each.instance) == (job, instance))
        facts = tuple(
            (key, _text(value)) for key, value in target.facts.items() if key not in _AS_TARGET
        )
        yield f"target_info{{{_labels(facts, target, '')}}} 1\n"


def _labels(labels: Labels, target: Target, base: str) -> str:
    """A sample's labels, escaped. `base`: those of the target, if they are known."""
    named: dict[str, str] = {}
    for key, value in sorted(labels):
        label = prometheus_label(key)
        label = f"exported_{label}" if label in _OURS else label
        # Source: the compatibility specification: values of keys that become one are joined.
        named[label] = f"{named[label]};{value}" if label in named else value
    base = base or f'job="{escape_label(target.job)}",instance="{escape_label(target.instance)}"'
    return ",".join([base, *(f'{key}="{escape_label(value)}"' for key, value in named.items())])


def _exemplar(exemplar: Exemplar) -> str:
    labels = {"trace_id": exemplar.trace_id.hex(), "span_id": exemplar.span_id.hex()}
    labels[_EXEMPLAR_LABEL] = "true"
    while sum(len(key) + len(value) for key, value in labels.items()) > MOST_EXEMPLAR:
        labels.popitem()
    told = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f" # {{{told}}} {_number(exemplar.value)} {exemplar.time / 1e9:.3f}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def escape_label(value: str) -> str:
    """A label's value as it stands between quotes."""
    plain = value.encode("utf-8", "replace").decode()
    return plain.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _help(value: str, *, quotes: bool) -> str:
    plain = value.encode("utf-8", "replace").decode()
    plain = plain.replace("\\", r"\\").replace("\n", r"\n")
    return plain.replace('"', r"\"") if quotes else plain
