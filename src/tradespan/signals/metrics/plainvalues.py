"""What metrics stand at, for JSON."""

from __future__ import annotations

import math
from typing import Any

from tradespan.signals.metrics.verbs import HistogramValue, MetricValue
from tradespan.wire.prometheus_text import escape_label


def write_labels(labels: dict[str, str]) -> str:
    """Labels as Prometheus writes them, `{a="x",b="y"}`; of none an empty text."""
    if not labels:
        return ""
    told = ",".join(f'{key}="{escape_label(text)}"' for key, text in labels.items())
    return f"{{{told}}}"


def as_json(value: MetricValue) -> Any:
    if not isinstance(value, HistogramValue):
        return value.value
    buckets = {
        "+Inf" if bound == math.inf else str(bound): count for bound, count in value.buckets.items()
    }
    return {"count": int(value.value), "sum": value.sum, "buckets": buckets}
