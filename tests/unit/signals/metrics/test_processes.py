"""Processes that are killed while they count."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.unit.signals.metrics.children import THREADS
from tests.unit.signals.metrics.reading import one, read_run
from tests.unit.spool.builders import python

CHILDREN = "tests.unit.signals.metrics.children"


def read_words(path: Path) -> int:
    return sum(struct.unpack(f"<{THREADS}Q", path.read_bytes()))


def test_killed_process_lacks_no_count_that_its_4_threads_acknowledged(
    tmp_path: Path, way: str
) -> None:
    acknowledged = tmp_path / "acknowledged"
    acknowledged.write_bytes(bytes(8 * THREADS))
    folder = tmp_path / "run"
    with python("-m", CHILDREN, "count_and_acknowledge", str(folder), str(acknowledged)) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"counting\n"
        while read_words(acknowledged) < 20_000:
            assert child.poll() is None
        child.kill()
    least = read_words(acknowledged)
    histogram = one(folder, "latency")

    assert least <= one(folder, "orders").value <= least + THREADS
    assert least <= sum(histogram.buckets) <= least + THREADS
    assert histogram.parts[1:] == (0.25, 0.25)
    assert 0 <= histogram.parts[0] / 0.25 - sum(histogram.buckets) <= THREADS


def test_8_threads_of_a_million_additions_are_exact_with_exemplars_and_cap(
    tmp_path: Path, way: str
) -> None:
    times = 1_000_000 if way == "native" else 20_000
    with python("-m", CHILDREN, "count_together", str(tmp_path), str(times)) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"counted\n"
    found = one(tmp_path, "orders", venue="kraken")
    capped = [each for each in read_run(tmp_path) if each.name == "capped"]

    assert found.value == 8.0 * times
    assert found.exemplar.sequence >= 2
    assert found.exemplar.sequence % 2 == 0
    assert (len(capped), sum(each.value for each in capped)) == (2_001, 2_010.0)
    assert one(tmp_path, "capped", otel_metric_overflow="true").value == 10.0
