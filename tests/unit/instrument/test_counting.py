"""RED metrics of watched functions: every call is counted, whether its span is kept or not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

from tests.support.captured import Captured, capture
from tests.unit.native.ways import way
from tradespan.instrument.monitor import monitor
from tradespan.pages.metrics import MetricPage
from tradespan.pages.readings import FunctionTotal, merge, read_metric_pages
from tradespan.spool.folder import RunFolder

__all__ = ["way"]


def counted(captured: Captured) -> dict[str, FunctionTotal]:
    """What the pages of a folder say, by the last part of the function's name."""
    readings = read_metric_pages(RunFolder(captured.folder).metric_pages)
    assert not [problem for reading in readings for problem in reading.problems]
    totals = merge(function for reading in readings for function in reading.functions)
    return {total.series.name.rpartition(".")[2]: total for total in totals}


def calls(captured: Captured, name: str) -> tuple[int, int, int]:
    """Calls, errors, good calls."""
    counts = counted(captured)[name].counts
    return counts.calls, counts.errors, counts.good


class Stepping:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def wall(self) -> int:
        return 1_700_000_000_000_000_000 + self.now

    def monotonic(self) -> int:
        return self.now


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.0])
def test_every_call_is_counted_whatever_share_is_kept(captured: Captured, rate: float) -> None:
    @monitor(sample_rate=rate)
    def check(n: int) -> None:
        if n % 10 == 0:
            raise ValueError(n)

    for n in range(200):
        try:
            check(n)
        except ValueError:
            pass
    assert calls(captured, "check") == (200, 20, 0)
    assert len([span for span in captured.named("check") if span.failed]) == 20


def fails(kind: str, **options: Any) -> Callable[[], object]:
    """A watched call of a kind that raises, driven to its end."""

    @monitor(**options)
    def plain() -> None:
        raise ValueError

    @monitor(**options)
    async def coroutine() -> None:
        raise ValueError

    @monitor(**options)
    def generator() -> Iterator[int]:
        yield 1
        raise ValueError

    drive: dict[str, Callable[[], object]] = {
        "plain": plain,
        "coroutine": lambda: asyncio.run(coroutine()),
        "generator": lambda: list(generator()),
    }
    return drive[kind]


@pytest.mark.parametrize("rate", [1.0, 0.0])
@pytest.mark.parametrize("kind", ["plain", "coroutine", "generator"])
@pytest.mark.usefixtures("way")
def test_a_failed_call_took_as_long_in_its_span_as_in_its_histogram(
    captured: Captured, kind: str, rate: float
) -> None:
    call = fails(kind, sample_rate=rate)
    for _ in range(20):
        with pytest.raises(ValueError, match=r"^$"):
            call()
    total = counted(captured)[kind].counts.total
    assert total == sum(span.record.duration for span in captured.named(kind)) > 0


@pytest.mark.parametrize(
    "options", [{}, {"sample_rate": 0.0, "slow": 0.0}, {"objective": {"success": 0.9}}]
)
@pytest.mark.usefixtures("way")
def test_a_call_took_as_long_in_its_span_as_in_its_histogram(
    captured: Captured, options: dict[str, Any]
) -> None:
    @monitor(**options)
    def plain(n: int) -> int:
        return n

    @monitor(**options)
    async def coroutine(n: int) -> int:
        return n

    @monitor(**options, durable=True, capture="none")
    def durable() -> None: ...

    for n in range(20):
        plain(n)
        asyncio.run(coroutine(n))
        durable()
    totals = counted(captured)
    for name in ("plain", "coroutine", "durable"):
        spans = captured.named(name)
        assert len(spans) == 20
        assert totals[name].counts.total == sum(span.record.duration for span in spans) > 0


def test_a_call_too_short_to_be_written_is_counted(captured: Captured) -> None:
    @monitor(min_duration=60)
    def check() -> None: ...

    check()
    assert calls(captured, "check") == (1, 0, 0)
    assert captured.spans == []


def test_functions_of_every_kind_are_counted(captured: Captured) -> None:
    @monitor
    async def fetch() -> int:
        return 1

    @monitor
    def ticks() -> Iterator[int]:
        yield 1
        raise ValueError

    @monitor
    async def feed() -> AsyncIterator[int]:
        yield 1

    async def consume() -> None:
        await fetch()
        assert [item async for item in feed()] == [1]

    asyncio.run(consume())
    with pytest.raises(ValueError):  # noqa: PT011 - any
        list(ticks())
    found = {name: calls(captured, name) for name in ("fetch", "ticks", "feed")}
    assert found == {"fetch": (1, 0, 0), "ticks": (1, 1, 0), "feed": (1, 0, 0)}


def test_an_end_that_is_no_error_is_a_call_and_no_error(captured: Captured) -> None:
    @monitor
    def leave() -> None:
        raise SystemExit(0)

    with pytest.raises(SystemExit):
        leave()
    assert calls(captured, "leave") == (1, 0, 0)


def test_a_call_whose_body_ended_the_span_is_counted_once(captured: Captured) -> None:
    @monitor
    def early() -> None:
        trace.get_current_span().end()

    early()
    assert calls(captured, "early") == (1, 0, 0)
    assert len(captured.named("early")) == 1


def test_without_metrics_nothing_is_counted(captured: Captured) -> None:
    @monitor(metrics=False)
    def check() -> None: ...

    check()
    assert "check" not in counted(captured)


@pytest.mark.parametrize("rate", [1.0, 0.0])
def test_good_calls_succeed_within_the_latency(tmp_path: Path, rate: float) -> None:
    clock = Stepping()
    objective = {"success": 0.9, "latency": 0.01}

    @monitor(objective=objective, sample_rate=rate)
    def place(nanoseconds: int, fail: bool = False) -> None:
        clock.now += nanoseconds
        if fail:
            raise ValueError

    with capture(tmp_path, clock=clock) as captured:
        place(9_000_000)
        place(10_000_000)
        place(10_000_001)
        with pytest.raises(ValueError):  # noqa: PT011 - any
            place(1, fail=True)
        assert calls(captured, "place") == (4, 1, 2)
        series = counted(captured)["place"].series
        assert (series.target, series.latency) == (0.9, 10_000_000)


@pytest.mark.parametrize("rate", [1.0, 0.0])
def test_an_objective_without_latency_counts_successes(captured: Captured, rate: float) -> None:
    @monitor(objective={"success": 0.99}, sample_rate=rate)
    def place(fail: bool) -> None:
        if fail:
            raise ValueError

    place(False)
    with pytest.raises(ValueError):  # noqa: PT011 - any
        place(True)
    assert calls(captured, "place") == (2, 1, 1)


@pytest.mark.parametrize("rate", [1.0, 0.0])
def test_a_duration_is_counted_where_it_belongs(tmp_path: Path, rate: float) -> None:
    clock = Stepping()

    @monitor(sample_rate=rate)
    def wait(nanoseconds: int) -> None:
        clock.now += nanoseconds

    with capture(tmp_path, clock=clock) as captured:
        for nanoseconds in (1_000, 1_001, 5_000_000, 100_000_000_001):
            wait(nanoseconds)
        total = counted(captured)["wait"]
    found = dict(zip((*total.series.bounds, None), total.counts.buckets, strict=True))
    assert {bound for bound, count in found.items() if count} == {1_000, 2_000, 5_000_000, None}
    assert total.counts.total == 100_005_002_002


def test_a_forked_child_counts_from_zero_on_a_page_of_its_own(captured: Captured) -> None:
    @monitor
    def check() -> None: ...

    check()
    child = os.fork()
    if child == 0:
        check()
        check()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    readings = read_metric_pages(RunFolder(captured.folder).metric_pages)
    by_page = sorted(f.counts.calls for r in readings for f in r.functions)
    assert by_page == [1, 2]


def test_a_name_of_its_own_keeps_the_functions_as_a_label(captured: Captured) -> None:
    @monitor(name="place order", process_group="execution")
    def place() -> None: ...

    place()
    (total,) = counted(captured).values()
    assert (total.series.name, total.series.process_group) == ("place order", "execution")
    ((key, value),) = total.series.attributes
    assert key == "code.function.name"
    assert value.endswith("place")


def test_where_no_page_can_be_made_the_calls_run(tmp_path: Path) -> None:
    def work(n: int) -> int:
        return n + 1

    watched: Callable[[int], Any] = monitor(work)
    with capture(tmp_path / "spool", strict=False, signals=False) as captured:
        page = captured.recorder.meters.page
        assert isinstance(page, MetricPage)
        captured.folder.mkdir()
        captured.folder.chmod(0o500)
        assert watched(1) == 2
        captured.folder.chmod(0o700)


def test_what_counting_itself_calls_may_be_watched(tmp_path: Path) -> None:
    """Making a function's cells opens files: a watched function below is not counted then, once."""
    made: list[str] = []

    @monitor
    def below() -> None:
        made.append("below")

    @monitor
    def work() -> None: ...

    class Watching(MetricPage):
        def function(self, *args: Any) -> memoryview:
            if len(made) < 5:
                below()
            return super().function(*args)

    with capture(tmp_path) as captured:
        captured.recorder.meters.page = Watching(captured.recorder.spool)
        work()
        below()
        below()
        assert len(made) == 4, "twice by hand, and once for each function's cells"
        assert (calls(captured, "work"), calls(captured, "below")) == ((1, 0, 0), (2, 0, 0))
