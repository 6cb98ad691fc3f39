"""What metrics stand at, for JSON."""

from __future__ import annotations

import math
from typing import Any

from tradespan.signals.metrics.verbs import HistogramValue, MetricValue


def write_labels(labels: dict[str, str]) -> str:
    """Labels as Prometheus writes them, `{a="x",b="y"}`; of none an empty text."""
    if not labels:
        return ""
    told = [
        key + '="' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        for key, text in labels.items()
    ]
    return "{" + ",".join(told) + "}"


def as_json(value: MetricValue) -> Any:
    if not isinstance(value, HistogramValue):
        return value.value
    buckets = {
        "+Inf" if bound == math.inf else str(bound): count for bound, count in value.buckets.items()
    }
    return {"count": int(value.value), "sum": value.sum, "buckets": buckets}
