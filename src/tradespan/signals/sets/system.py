"""The system's set: the process and its computer, through psutil.

Nothing is called by the program: `collect` reads all, in the process's one thread for such things.
Each reading stands alone: in a container some of them fail, and the others are told.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable
from typing import Any, Final

import psutil

from tradespan.core.forks import after_fork_in_child
from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Counter, Gauge, UpDownCounter
from tradespan.signals.sets.base import Maker
from tradespan.signals.sets.collecting import Collections
from tradespan.signals.sets.loops import Loops

_STATES: Final = {
    "CLOSE": "closed", "CLOSE_WAIT": "close_wait", "CLOSING": "closing",
    "ESTABLISHED": "established", "FIN_WAIT1": "fin_wait_1", "FIN_WAIT2": "fin_wait_2",
    "LAST_ACK": "last_ack", "LISTEN": "listen", "SYN_RECV": "syn_received", "SYN_SENT": "syn_sent",
    "TIME_WAIT": "time_wait",
}  # fmt: skip
"""psutil's words → OpenTelemetry's."""
_FAILS: Final = 3
"""Times that a reading fails before it is left alone for good."""


class System:
    """CPU, memory, descriptors, threads, connections, disks, network, load, GC, event loops."""

    def __init__(self, make: Maker, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._make = make
        self._clock = clock
        self._collections = Collections(make)
        self.loops = Loops(make(declared.TRADESPAN_EVENT_LOOP_LAG).record)
        self._readings: list[Callable[[], None]] = [
            self._read_cpu, self._read_memory, self._read_disk, self._read_counts,
            self._read_connections, self._read_load, self._read_host_cpu, self._read_host_memory,
            self._read_network, self._read_disks, self._collections.collect, self.loops.find,
        ]  # fmt: skip
        self._failed: Tally[Callable[[], None]] = Tally()
        self._found: psutil.Process | None = None
        self._own: dict[Any, float] = {}
        self._states: set[tuple[str, str]] = set()
        self._read_at: float | None = None
        self._host: dict[Any, float] = {}
        for first in (self._read_network, self._read_disks, self._read_host_cpu):
            self._read(first)
        self._collections.follow()
        after_fork_in_child(self._begin_anew)

    def collect(self) -> None:
        """Read everything; what fails three times is left alone from then on."""
        for reading in self._readings:
            if self._failed[reading] < _FAILS:
                self._read(reading)

    def end(self) -> None:
        """Let go of the garbage collector."""
        self._collections.leave()

    def _read(self, reading: Callable[[], None]) -> None:
        try:
            reading()
        except Exception:  # noqa: BLE001 - whatever a kernel or a container does not say
            self._failed[reading] += 1

    # ── the process ─────────────────────────────────────────────────────────────────────────────

    @property
    def _process(self) -> psutil.Process:
        """Looked for when it is needed: where `/proc` is hidden it cannot be found."""
        if self._found is None:
            self._found = psutil.Process()
        return self._found

    def _read_cpu(self) -> None:
        now, times = self._clock(), self._process.cpu_times()
        counter: Counter = self._make(declared.PROCESS_CPU_TIME)
        share: Gauge = self._make(declared.PROCESS_CPU_UTILIZATION)
        before = self._read_at
        elapsed = 0.0 if before is None else (now - before) * (psutil.cpu_count() or 1)
        for mode in ("user", "system"):
            took = self._rise(("cpu", mode), getattr(times, mode))
            counter.labels(mode).add(took)
            if elapsed > 0:
                share.labels(mode).set(min(took / elapsed, 1.0))
        self._read_at = now

    def _read_memory(self) -> None:
        memory = self._process.memory_info()
        self._stand(declared.PROCESS_MEMORY_USAGE, memory.rss)
        self._stand(declared.PROCESS_MEMORY_VIRTUAL, memory.vms)
        self._make(declared.PROCESS_MEMORY_UTILIZATION).set(
            memory.rss / psutil.virtual_memory().total
        )

    def _read_disk(self) -> None:
        io = self._process.io_counters()
        counter: Counter = self._make(declared.PROCESS_DISK_IO)
        counter.labels("read").add(self._rise("read", io.read_bytes))
        counter.labels("write").add(self._rise("write", io.write_bytes))

    def _read_counts(self) -> None:
        process = self._process
        self._stand(declared.PROCESS_THREAD_COUNT, process.num_threads())
        self._stand(declared.PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, process.num_fds())
        switches = process.num_ctx_switches()
        counter: Counter = self._make(declared.PROCESS_CONTEXT_SWITCHES)
        for kind in ("voluntary", "involuntary"):
            counter.labels(kind).add(self._rise(kind, getattr(switches, kind)))
        self._make(declared.PROCESS_UPTIME).set(max(time.time() - process.create_time(), 0.0))

    def _read_connections(self) -> None:
        gauge: Gauge = self._make(declared.TRADESPAN_PROCESS_CONNECTIONS)
        found: Tally[tuple[str, str]] = Tally()
        for each in self._process.net_connections(kind="inet"):
            udp = each.type == 2  # SOCK_DGRAM
            found[_STATES.get(each.status, ""), "udp" if udp else "tcp"] += 1
        for labels in self._states.union(found):
            gauge.labels(*labels).set(found[labels])
        self._states.update(found)

    # ── the computer ────────────────────────────────────────────────────────────────────────────

    def _read_load(self) -> None:
        loads = psutil.getloadavg()
        names = (
            declared.SYSTEM_CPU_LOAD_AVERAGE_1M,
            declared.SYSTEM_CPU_LOAD_AVERAGE_5M,
            declared.SYSTEM_CPU_LOAD_AVERAGE_15M,
        )
        for name, load in zip(names, loads, strict=True):
            self._make(name).set(load)

    def _read_host_cpu(self) -> None:
        times = psutil.cpu_times()
        modes = {mode: getattr(times, mode, 0.0) for mode in ("user", "system", "idle", "iowait")}
        known = ("host", "idle") in self._host
        rises = {mode: self._rise_of_host(("host", mode), at) for mode, at in modes.items()}
        total = sum(rises.values())
        gauge: Gauge = self._make(declared.SYSTEM_CPU_UTILIZATION)
        if known and total > 0:
            for mode, rise in rises.items():
                gauge.labels(mode, "").set(rise / total)

    def _read_host_memory(self) -> None:
        memory = psutil.virtual_memory()
        used: Gauge = self._make(declared.SYSTEM_MEMORY_UTILIZATION)
        used.labels("used").set(1 - memory.available / memory.total)

    def _read_network(self) -> None:
        io = psutil.net_io_counters()
        if io is None:
            return
        for name, rows in (
            (declared.SYSTEM_NETWORK_IO, (io.bytes_recv, io.bytes_sent)),
            (declared.SYSTEM_NETWORK_PACKET_COUNT, (io.packets_recv, io.packets_sent)),
            (declared.SYSTEM_NETWORK_ERRORS, (io.errin, io.errout)),
        ):
            counter: Counter = self._make(name)
            for direction, value in zip(("receive", "transmit"), rows, strict=True):
                counter.labels(direction, "").add(self._rise_of_host((name, direction), value))

    def _read_disks(self) -> None:
        io = psutil.disk_io_counters()
        if io is None:
            return
        for name, rows in (
            (declared.SYSTEM_DISK_IO, (io.read_bytes, io.write_bytes)),
            (declared.SYSTEM_DISK_OPERATIONS, (io.read_count, io.write_count)),
        ):
            counter: Counter = self._make(name)
            for direction, value in zip(("read", "write"), rows, strict=True):
                counter.labels(direction, "").add(self._rise_of_host((name, direction), value))

    # ── what was read before ────────────────────────────────────────────────────────────────────

    def _stand(self, declaration: declared.Instrument, value: float) -> None:
        """An up-down counter stands at this now."""
        counter: UpDownCounter = self._make(declaration)
        bound = counter.labels()
        bound.add(value - bound.value)

    def _rise(self, key: Any, value: float) -> float:
        """How much a number of the process's rose since it was read last, or began."""
        before, self._own[key] = self._own.get(key, 0.0), value
        return max(value - before, 0.0)

    def _rise_of_host(self, key: Any, value: float) -> float:
        """Likewise of the computer's: before the first reading it is not ours to tell."""
        before, self._host[key] = self._host.get(key, value), value
        return max(value - before, 0.0)

    def _begin_anew(self) -> None:
        """In a forked child, whose own times and bytes begin at 0."""
        self._found = None
        self._own, self._states, self._read_at = {}, set(), None
        self._collections.begin_anew()
        self.loops.forget()
