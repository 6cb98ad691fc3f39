"""Plain functions whose calls are only counted: two clock readings and a cell.

What a sampled-out call of `shapes/sync.py` costs without its coin, and without holding on to the
arguments: the program does not behave otherwise for being watched less. A call that raises or is
slow is a span all the same, written after the fact; of one that raised, with the arguments that
its frame still has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.instrument.context import CURRENT
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import Recorder, RecorderSlot
from tradespan.instrument.thinning import PassedOver

Function = Callable[..., Any]


def count_sync(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """No call has a span, unless it fails or is slow."""
    known: Recorder | None = None
    clock: Callable[[int], int]

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal known, clock
        recorder = slot.recorder
        if recorder is None:
            return function(*args, **kwargs)
        began = recorder.monotonic()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            passed.raised(recorder, get_current(), None, began, error)
            raise
        if recorder is not known:
            clock = passed.clock(recorder)
            known = recorder if recorder.look_up(plan)[1] else None
        # Not in a forked child: there the recorder is another's.
        if slot.recorder is recorder and (took := clock(began)) >= slow:
            passed.write(recorder, get_current(), None, began, began + took)
        return result

    slow, passed, get_current = plan.slow, PassedOver(plan), CURRENT.get
    return watched
