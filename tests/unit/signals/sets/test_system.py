"""The system's set: the real process and computer, through psutil."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.unit.signals.sets.conftest import Values, Watches
from tradespan.declare import instruments as declared
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets.loops import Loops, running_loops
from tradespan.signals.sets.switch import INTERVAL, Sets
from tradespan.signals.sets.system import System


@pytest.fixture
def system(sets: Sets) -> System:
    return sets.system


def test_the_process_is_told_by_opentelemetrys_names(system: System, values: Values) -> None:
    system.collect()
    own = psutil.Process()
    assert values.of("process.memory.usage")[()] == pytest.approx(own.memory_info().rss, rel=0.2)
    assert values.of("process.memory.virtual")[()] > values.of("process.memory.usage")[()]
    assert values.of("process.thread.count")[()] == len(list(Path("/proc/self/task").iterdir()))
    assert values.of("process.unix.file_descriptor.count")[()] >= 3
    assert set(values.of("process.cpu.time")) == {("user",), ("system",)}
    assert sum(values.of("process.cpu.time").values()) == pytest.approx(
        sum(own.cpu_times()[:2]), abs=1
    )
    assert 0 < values.of("process.memory.utilization")[()] < 1


def test_shares_of_time_need_two_readings(system: System, values: Values, watches: Watches) -> None:
    system.collect()
    assert "process.cpu.utilization" not in values
    watches.seconds += 1_000
    system.collect()
    assert 0 <= values.of("process.cpu.utilization")["user",] < 1


def test_the_computers_counters_begin_with_the_process_at_0(system: System, values: Values) -> None:
    before = psutil.net_io_counters()
    assert before is not None
    system.collect()
    told = values.of("system.network.io")["receive",]
    assert told < 10_000_000 or told < before.bytes_recv / 2
    assert set(values.of("system.cpu.load_average.1m")) == {()}
    assert 0 < values.of("system.memory.utilization")["used",] < 1


def test_memory_is_where_it_stands_and_not_a_sum_of_readings(
    system: System, values: Values
) -> None:
    for _ in range(5):
        system.collect()
    rss = psutil.Process().memory_info().rss
    assert values.of("process.memory.usage")[()] == pytest.approx(rss, rel=0.2)


def test_a_reading_that_fails_costs_the_others_nothing_and_is_left_alone(
    system: System, values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse() -> None:
        asked.append(1)
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "getloadavg", refuse)
    for _ in range(5):
        system.collect()
    assert len(asked) == 3
    assert "process.memory.usage" in values
    assert "system.cpu.load_average.1m" not in values


def test_collections_and_their_pauses_are_counted(system: System, values: Values) -> None:
    system.collect()
    before = values.of("cpython.gc.collections")["2",]
    gc.collect()
    gc.collect()
    system.collect()
    assert values.of("cpython.gc.collections")["2",] - before == 2
    count, seconds = values.of("tradespan.gc.duration")["2",]
    assert count >= 2
    assert seconds > 0


def test_its_end_lets_go_of_the_garbage_collector(sets: Sets) -> None:
    before = len(gc.callbacks)
    sets("system")
    assert len(gc.callbacks) == before + 1
    sets.end()
    assert len(gc.callbacks) == before


def test_it_is_read_every_15_seconds_of_calls_every_5(
    sets: Sets, watches: Watches, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    monkeypatch.setattr(sets.system, "collect", lambda: read.append(1))
    rounds = []
    for _ in range(7):
        sets.collect()
        rounds.append(len(read))
        watches.seconds += 4.999
    assert INTERVAL == 15
    assert rounds == [1, 1, 1, 2, 2, 2, 3]
    sets.system.end()


def test_a_forked_child_tells_its_own_time(system: System, registry: InstrumentRegistry) -> None:
    deadline = time.process_time() + 0.2
    while time.process_time() < deadline:
        pass
    system.collect()
    assert time_of(registry) >= 0.2
    pid = os.fork()
    if not pid:
        system.collect()
        os._exit(int(time_of(registry) >= 0.2))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def time_of(registry: InstrumentRegistry) -> float:
    """Of the processor, seconds."""
    times = registry.from_declaration(declared.PROCESS_CPU_TIME)
    return float(sum(child.value for _, child in times.series()))


def test_a_loop_is_found_where_it_runs_and_answers() -> None:
    late: list[float] = []
    answered = threading.Event()

    def note(seconds: float) -> None:
        late.append(seconds)
        answered.set()

    loops = Loops(note)

    def look() -> bool:
        loops.find()
        loops.ask()
        return answered.wait(10)

    async def work() -> None:
        assert await asyncio.to_thread(look)
        assert loops.known() == [asyncio.get_running_loop()]

    asyncio.run(work())
    assert len(late) == 1
    assert 0 <= late[0] < 10
    assert list(running_loops()) == []


def test_a_blocked_loop_is_asked_once_and_is_as_late_as_it_was_blocked() -> None:
    late: list[float] = []
    loops = Loops(late.append)
    asked = threading.Event()
    running = threading.Event()

    async def block() -> None:
        loops.find()
        running.set()
        assert asked.wait(10)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(block()))
    thread.start()
    assert running.wait(10)
    for _ in range(5):
        loops.ask()
    asked.set()
    thread.join(10)
    assert len(late) == 1


def test_loops_that_closed_are_forgotten() -> None:
    loops = Loops(lambda seconds: None)

    async def look() -> None:
        loops.find()

    asyncio.run(look())
    loops.ask()
    assert loops.known() == []


def test_the_folder_of_the_process_is_not_needed(tmp_path: Path, sets: Sets) -> None:
    """A container may hide `/proc`: psutil then raises, and nothing of it comes through."""
    before = psutil.PROCFS_PATH
    psutil.PROCFS_PATH = str(tmp_path / "nothing")
    try:
        sets("system")
        sets.system.collect()
    finally:
        psutil.PROCFS_PATH = before
    sets.end()
