"""The governor: functions that are watched in place cost no more than `max_overhead` of a core.

A small thread looks at how often they were called, knows what a call costs beside itself, and has
the hottest and shortest watched less (`governor_choice.py`): only counted, then not at all. It
begins with the first call of such a function; a forked child begins its own, and goes on from its
parent's levels.

The thread is one of `_thread`: to begin one in the middle of a program's call takes no lock of
`threading`, which a signal handler may have interrupted, and nobody who counts threads finds it.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from types import CodeType
from typing import Any

from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.instrument.auto.governor_choice import Choice, Governed
from tradespan.instrument.auto.governor_costs import Costs, Sample, measure_counting
from tradespan.instrument.auto.governor_report import Reporter
from tradespan.instrument.auto.inplace import Level, Twin
from tradespan.instrument.counting import FunctionMeters
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import SLOT, Recorder, RecorderSlot
from tradespan.instrument.shapes.coroutine import watch_coroutine
from tradespan.instrument.shapes.sync import watch_sync
from tradespan.instrument.watch import shape_of
from tradespan.pages.metrics import DURATION_BOUNDS

FIRST, QUICK, SLOW = 0.05, 0.25, 1.0
"""Seconds before the first look, which has spans timed; between two looks at first and after a
decision; between all others."""
QUICK_LOOKS = 8
PROBE = 0.02
"""Seconds for which a function that is not observed is counted."""
_OWN = 0.1
"""Of the budget: what the governor's own looking may cost."""
_NOT_OURS = signal.valid_signals() - {
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGABRT,
}
"""Signals that the governor's thread is not to get: all but those that tell of its own faults."""
_BUCKETS = len(DURATION_BOUNDS) + 1


class Unit:
    """A function as it is counted: all that were made from one definition."""

    def __init__(self, plan: Plan, code: CodeType, counting: float, now: float) -> None:
        self.series = plan.series
        self.twins: list[weakref.ref[Twin]] = []
        self.costs = Costs(counting, code.co_flags, 1.0 if plan.coin is None else plan.coin.rate)
        self.governed = Governed(
            plan.function, self.costs, self.costs.failure, _lowest(plan), since=now
        )
        self.timed = False
        """Whether its spans have been timed since it got its level."""
        self._sample: Sample | None = None
        self.begin_anew(now)

    def begin_anew(self, now: float) -> None:
        """The counts begin with zero now."""
        self.calls = self._total = self._errors = 0
        self.looked = now

    def living(self) -> list[Twin]:
        """Those of its functions that are still there, and watched."""
        found = [twin for each in self.twins if (twin := each()) is not None and not twin.ended]
        if len(found) < len(self.twins):
            self.twins = [weakref.ref(twin) for twin in found]
        return found

    def read(self, meters: FunctionMeters, now: float) -> int | None:
        """Take down the rate since the last look; returns the calls, None if none is counted."""
        found = meters.counts_of(self.series)
        if found is None:
            return None
        counts, sharers = found
        calls, total = sum(counts[:_BUCKETS]) // sharers, counts[_BUCKETS] // sharers
        fresh, seconds = max(calls - self.calls, 0), now - self.looked
        errors = counts[_BUCKETS + 1] // sharers
        if seconds > 0:
            self.governed.rate = fresh / seconds
            self.governed.failures = max(errors - self._errors, 0) / seconds
        if fresh:
            self.governed.mean = max(total - self._total, 0) / fresh
        self.calls, self._total, self._errors, self.looked = calls, total, errors, now
        return fresh

    def put(self) -> None:
        """Have its functions watched as was decided."""
        self.timed = False
        if self._sample is not None:
            self._sample.end()
            self._sample = None
        for twin in self.living():
            twin.put(self.governed.level)

    def time_spans(self) -> None:
        """Learn what its spans cost, as soon as it has had some."""
        if self.timed or self.governed.level is not Level.FULL or not self.governed.rate:
            return
        if self._sample is not None:
            if self._sample.is_done:
                self._sample.teach(self.costs)
                self.governed.failure = self.costs.failure
                self._sample, self.timed = None, True
            return
        twin = next(iter(self.living()), None)
        binding = twin.binding(Level.FULL) if twin is not None else None
        if twin is None or binding is None:
            return
        # How long a generator's steps take is in no such place.
        self.timed = shape_of(twin.body.function.__code__) not in (watch_sync, watch_coroutine)
        if not self.timed:
            self._sample = Sample(binding)


class Governor:
    """Keeps the functions of one process below a budget."""

    def __init__(
        self, slot: RecorderSlot = SLOT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock`: seconds, never set back."""
        self.units: dict[Any, Unit] = {}
        """By `Plan.series`."""
        self.choice: Choice | None = None
        """None: it is off."""
        self._slot = slot
        self._clock = clock
        self._off = False
        self._met: deque[tuple[weakref.ref[Twin], float]] = deque()
        self._running: dict[str, _thread.LockType] = {}
        """At most one: whose lock it is that ends the thread."""
        self._counting: float | None = None
        self._reporter = Reporter()
        self._quick = 0
        after_fork_in_child(self._after_fork)

    # ── called by others' threads ───────────────────────────────────────────────────────────────

    def meet(self, twin: Twin) -> None:
        """A function that is watched in place has been called for the first time."""
        if not self._off:
            self._met.append((weakref.ref(twin), self._clock()))

    def start(self, budget: float) -> None:
        """Govern what is called from now on. `budget`: share of one core; 0: leave all as it is."""
        recorder = self._slot.recorder
        self._off = budget <= 0
        if self._off or recorder is None:
            self._met.clear()
            return
        self.choice = Choice(budget)
        recorder.meters.on_made = self.wake

    def wake(self) -> None:
        """Begin the thread, if there is something to look at. Called in the middle of a call."""
        if self._running or self.choice is None or not (self._met or self.units):
            return
        stop = _thread.allocate_lock()
        stop.acquire()
        if self._running.setdefault("stop", stop) is stop:
            self._quick = QUICK_LOOKS
            # A thread inherits the mask: a program may block a signal later in all threads that it
            # knows of, to wait for it, and the system would give it to ours.
            # Asked first: the mask is put back even if a handler raises meanwhile.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            try:
                signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_OURS)
                _thread.start_new_thread(self._run, (stop,))
            except RuntimeError:  # the interpreter ends
                pass
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self) -> None:
        """End; what is watched stays as it is."""
        self.pause()
        self.choice = None
        self._off = False
        self.units.clear()
        self._met.clear()
        self._reporter = Reporter()

    def pause(self) -> bool:
        """End the thread. Returns whether there was one."""
        stop = self._running.pop("stop", None)
        if stop is not None:
            stop.release()
        return stop is not None

    def resume(self) -> None:
        """Begin it again."""
        self.wake()

    def _after_fork(self) -> None:
        # The thread is the parent's, and so are the counts.
        self._running = {}
        self._met = self._met.copy()
        self._reporter = Reporter()
        now = self._clock()
        for unit in self.units.copy().values():
            unit.begin_anew(now)

    # ── the thread ──────────────────────────────────────────────────────────────────────────────

    def _run(self, stop: _thread.LockType) -> None:
        pause = FIRST
        while not stop.acquire(True, pause):
            with guard.guarded("governor"):
                began = time.thread_time()
                self.look(stop)
                pause = self._until_next(time.thread_time() - began)
            _be_uncounted()

    def _until_next(self, spent: float) -> float:
        if self._quick:
            self._quick -= 1
            return QUICK
        choice = self.choice
        return SLOW if choice is None else max(SLOW, spent / (_OWN * choice.budget))

    def look(self, stop: _thread.LockType) -> None:
        """Decide once. `stop`: locked; whoever wants the thread to end opens it."""
        choice, recorder = self.choice, self._slot.recorder
        if choice is None or recorder is None:
            return
        self._admit()
        self._read(recorder)
        functions = [unit.governed for unit in self.units.values()]
        changed = choice.decide(functions, self._clock())
        if not stop.locked():
            return
        self._put(changed)
        changed += self._probe(choice, recorder, stop)
        for unit in self.units.values():
            unit.time_spans()
        if changed:
            self._quick = QUICK_LOOKS
        self._reporter.tell(recorder, choice, functions, changed, self._clock())

    def _admit(self) -> None:
        """Take up what has been called for the first time."""
        if self._counting is None:
            self._counting = measure_counting()
        while self._met:
            reference, met = self._met.popleft()
            twin = reference()
            if twin is None or twin.ended:
                continue
            plan = twin.body.plan
            unit = self.units.get(plan.series)
            if unit is None:
                code = twin.body.function.__code__
                unit = self.units[plan.series] = Unit(plan, code, self._counting, met)
            unit.twins.append(reference)
            twin.put(unit.governed.level)

    def _read(self, recorder: Recorder) -> None:
        """Take down how often each was called since the last look."""
        now = self._clock()
        for series, unit in list(self.units.items()):
            if not unit.living():
                del self.units[series]
            elif unit.governed.level is not Level.RESTORED:
                unit.read(recorder.meters, now)

    def _put(self, changed: list[Governed]) -> None:
        if changed:
            units = {id(unit.governed): unit for unit in self.units.values()}
            for each in changed:
                units[id(each)].put()

    def _probe(self, choice: Choice, recorder: Recorder, stop: _thread.LockType) -> list[Governed]:
        """Count a function for a moment that is not observed; returns it if it goes on so."""
        units = {id(unit.governed): unit for unit in self.units.values()}
        each = choice.to_probe([unit.governed for unit in self.units.values()], self._clock())
        if each is None:
            return []
        unit, began = units[id(each)], self._clock()
        each.level = Level.COUNTED
        unit.read(recorder.meters, began)
        unit.put()
        if stop.acquire(True, PROBE):
            stop.release()
        now = self._clock()
        calls = unit.read(recorder.meters, now) or 0
        each.level = Level.RESTORED
        goes_on = choice.probed(each, calls, now - began, now)
        unit.put()
        return [each] if goes_on else []


def _be_uncounted() -> None:
    """Drop what `threading` made of this thread when something was logged, which names its thread.

    It would stay among those that `threading.enumerate()` tells of: a program may wait for its end.
    """
    known: Any = getattr(threading, "_active", None)
    own = _thread.get_ident()
    if type(known) is dict and isinstance(known.get(own), threading._DummyThread):  # noqa: SLF001
        known.pop(own, None)


def _lowest(plan: Plan) -> Level:
    """As closely as this a function is watched in any case."""
    if plan.durable or plan.mapped:  # orders and fills, and what has to survive a crash
        return Level.FULL
    # The share of good calls would be one of those that happened to be looked at.
    return Level.COUNTED if plan.objective is not None else Level.RESTORED


GOVERNOR = Governor()
"""The process's own."""
