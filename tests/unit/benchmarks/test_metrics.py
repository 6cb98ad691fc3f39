"""The rows of the instruments' benchmark."""

from __future__ import annotations

import pytest

from benchmarks.metrics import rows_of, tell_threads

COSTS = {
    "counter, `add`": 0.1,
    "gauge, `set`": 0.3,
    "histogram, `record`": 0.2,
    "prometheus_client, bound counter, `inc`": 0.4,
    "prometheus_client, bound gauge, `set`": 0.2,
    "prometheus_client, bound histogram, `observe`": 1.0,
    "SDK, `Counter.add`, 2 attributes": 8.0,
}


def test_each_child_is_judged_by_prometheus_clients_and_the_counter_told_beside_the_sdks() -> None:
    rows = rows_of(COSTS)

    assert [row.met for row in rows] == [True, False, True, None]
    assert [row.ratio for row in rows] == pytest.approx([1 / 4, 1.5, 1 / 5, 1 / 80])


@pytest.mark.parametrize(("total", "said"), [(8e6, "(exact)"), (7_999_999, "(**not exact**)")])
def test_sum_of_the_threads_is_told_as_it_is(total: float, said: str) -> None:
    assert f"the sum is {total:,.0f} {said}" in tell_threads({"sum": total, "seconds": 1.0})
