"""What the live check looks at: the segments and pages of runs, and the spans of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from tradespan.conventions.live import LiveCheck, Series
from tradespan.core.errors import SpoolError
from tradespan.core.records import LogRecord, MetricReading, Span
from tradespan.pages.readings import read_metric_pages
from tradespan.spool.folder import RunFolder
from tradespan.spool.reader import SegmentReader
from tradespan.spool.survey import Record, read_records
from tradespan.store.store import Store
from tradespan.wire.attributes import event_attributes, span_attributes, span_name
from tradespan.wire.json_form import write_json
from tradespan.wire.protobuf import field

_DATA: Mapping[str, str] = {"gauge": "gauge", "histogram": "histogram", "sum": "counter"}
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


def check_segment(path: Path, check: LiveCheck) -> str:
    """Look at one segment; what is wrong with the file itself, or nothing.

    A segment that was delivered and deleted meanwhile is none that could be looked at.
    """
    try:
        reader = SegmentReader(path)
        try:
            check.attributes(reader.origin.resource.attributes, "resource")
        finally:
            reader.close()
        for record in read_records(path):
            _check_record(record, check)
    except FileNotFoundError:
        return ""
    except (OSError, SpoolError) as error:
        return f"{path}: {getattr(error, 'reason', None) or error}"
    return ""


def check_pages(folder: RunFolder, check: LiveCheck) -> list[str]:
    """Look at the metric pages of a run; sentences about those that cannot be read whole."""
    readings = read_metric_pages(folder.metric_pages)
    for reading in readings:
        for number in reading.numbers:
            if number.has_value:
                told, kind = number.series, _kind(number.series.instrument)
                check.metric(Series(told.name, told.unit, kind, dict(told.labels), (number.value,)))
        for histogram in reading.histograms:
            held, labels = histogram.series, dict(histogram.series.labels)
            values, bounds = (histogram.sum,), tuple(held.bounds)
            check.metric(Series(held.name, held.unit, "histogram", labels, values, bounds))
        for function in reading.functions:
            check.attributes(dict(function.series.attributes), f"function {function.series.name}")
    return [problem for reading in readings for problem in reading.problems]


def check_store(store: Store, check: LiveCheck, on_spans: Callable[[int], None]) -> None:
    """Look at all spans of a store. `on_spans` is told how many more were looked at.

    Raises:
        StoreUnreadable: The file is damaged, or gone.
    """
    for spans in store.sweep():
        for resource in {id(span.resource): span.resource for span in spans}.values():
            check.attributes(resource, "resource")
        for span in spans:
            check.span(
                span.name,
                span.attributes,
                [(event.name, event.attributes) for event in span.events],
                finished=not span.running,
                where=f" of trace {span.trace_id[:8]}",
            )
        on_spans(len(spans))


def check_log_line(fields: Mapping[str, Any], check: LiveCheck) -> None:
    """Look at a line of a log file (`wire.log_lines`): what was delivered is there alone."""
    data = fields.get("data")
    told = data if isinstance(data, Mapping) else {}
    # A null is a NaN, or nothing: either is no value of a wrong type.
    attributes = {str(key): value for key, value in told.items() if value is not None}
    check.log(str(fields.get("event") or ""), attributes, f" of {fields.get('logger', '')}")


def _check_record(record: Record, check: LiveCheck) -> None:
    content, site = record.content, record.site
    if isinstance(content, Span):
        check.span(
            span_name(site, content),
            span_attributes(site, content),
            [(event.name, event_attributes(event)) for event in content.events or ()],
            finished=not content.is_open,
            where=f" of trace {content.trace_id.hex()[:8]}",
        )
    elif isinstance(content, LogRecord):
        check.log(content.event_name, content.attributes or {}, f" of {site.scope_name}")
    elif isinstance(content, MetricReading):
        for series in read_series(content.resource_metrics):
            check.metric(series)


def read_series(resource_metrics: bytes) -> Iterator[Series]:
    """The series of an OTLP message ResourceMetrics; none of what is none."""
    try:
        request = msgspec.json.decode(write_json("metrics", field(1, resource_metrics)))
    except ValueError:
        return
    for resource in request.get("resourceMetrics", ()):
        scopes = (scope.get("metrics", ()) for scope in resource.get("scopeMetrics", ()))
        for metric in chain.from_iterable(scopes):
            yield from _read_metric(metric)


def _read_metric(metric: Mapping[str, Any]) -> Iterator[Series]:
    name, unit = metric.get("name", ""), metric.get("unit", "")
    for form, data in metric.items():
        if not isinstance(data, dict):
            continue
        kind = _DATA.get(form, "histogram")
        if form == "sum" and not data.get("isMonotonic"):
            kind = "updowncounter"
        for point in data.get("dataPoints", ()):
            bounds = point.get("explicitBounds")
            yield Series(
                name,
                unit,
                kind,
                _read_attributes(point.get("attributes", ())),
                list(_read_numbers(point)),
                None if bounds is None else tuple(map(float, bounds)),
            )


def _read_numbers(point: Mapping[str, Any]) -> Iterator[float]:
    for key in ("asDouble", "sum", "min", "max"):
        value = point.get(key)
        if isinstance(value, int | float) or value in _NO_NUMBERS:
            yield float(value)


def _read_attributes(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {pair.get("key", ""): _read_value(pair.get("value", {})) for pair in pairs}


def _read_value(value: Mapping[str, Any]) -> Any:
    for form, content in value.items():
        if form == "intValue":
            return int(content)
        if form == "arrayValue":
            return [_read_value(each) for each in content.get("values", ())]
        if form == "doubleValue":
            return float(content)
        return content
    return None


def _kind(instrument: str) -> str:
    """As the declarations have it."""
    return instrument.replace("_", "")
