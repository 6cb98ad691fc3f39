"""The table of single calls: which subject is held against which, and the bars of the issue."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from benchmarks import subjects as s
from benchmarks.recording import Sdk, recording
from benchmarks.results import Row, compare
from benchmarks.timing import Rounds, time_in_turns


@dataclass(frozen=True, slots=True)
class Case:
    """One row to be."""

    group: str
    subject: str
    against: str = ""
    at_most: float | None = None
    why: str = ""
    bare: str = ""
    """The subject without instrumentation, where it is much of the cost."""


_SPAN = "ids, two clock readings, the current span set and reset, the record and the counters"
CASES = (
    Case("passthrough", s.EMPTY),
    Case("passthrough", s.CLOSURE),
    Case("passthrough", s.WRAPT, s.CLOSURE),
    Case("monitor", s.SDK, s.CLOSURE),
    Case("monitor", '`@monitor(capture="none")`', s.SDK, 1 / 10, _SPAN),
    Case("monitor", "`@monitor`", s.SDK),
    Case(
        "monitor",
        "`@monitor`, `(1, 'BTC-USDT')` and a result",
        s.SDK,
        1 / 6,
        f"{_SPAN}; then three values are serialized and redacted",
    ),
    Case(
        "monitor",
        "`@monitor`, two strings of 1,000 characters",
        s.SDK,
        1 / 2,
        "both texts are searched for secrets from end to end",
    ),
    Case("monitor", '`@monitor(capture="none")` in another: both', s.SDK_CHILD),
    Case("tracer", "`start_as_current_span`", s.SDK),
    Case(
        "tracer",
        "`start_as_current_span`, 5 attributes",
        s.SDK_FIVE,
        1 / 8,
        "each attribute's name and value is checked, redacted and encoded",
    ),
    Case("raise", s.BARE_RAISE),
    Case(
        "raise",
        "`@monitor`, raising at depth 10",
        s.SDK_RAISE,
        1 / 40,
        "raising and unwinding, the frames' places, the message and its redaction",
        s.BARE_RAISE,
    ),
    Case("raise", "`@monitor`, raising with a secret in the message", s.SDK_SECRET),
    Case("async", "`@monitor` on a coroutine, driven by hand", s.SDK_DRIVEN, 1 / 8, _SPAN),
    Case("async", "`@monitor` on a coroutine, awaited in asyncio", s.SDK_AWAITED, 1 / 8, _SPAN),
    Case("shapes", s.BARE_ITEMS),
    Case("shapes", "`@monitor`, generator of 10 items", s.SDK_ITEMS),
    Case(
        "dropped",
        "`@monitor(sample_rate=0)`",
        s.CLOSURE,
        5.0,
        "the coin, two clock readings and the function's cells",
    ),
    Case("dropped", "`@monitor(sample_rate=0, metrics=False)`", s.CLOSURE),
)
GROUPS = tuple(dict.fromkeys(case.group for case in CASES))


def measure_calls(groups: Collection[str], rounds: Rounds) -> list[Row]:
    """The rows of these groups, measured in this process, each subject in turn."""
    cases = [case for case in CASES if case.group in groups]
    if not cases:
        return []
    wanted = {case.subject for case in cases} | {case.against for case in cases}
    wanted |= {case.bare for case in cases}
    with asyncio.Runner() as runner, recording() as ours:
        sdk = Sdk()
        subjects = s.bare_subjects() + s.sdk_subjects(sdk, runner) + s.our_subjects(ours, runner)
        costs = time_in_turns(
            [subject for subject in subjects if subject.key in wanted],
            rounds,
            section="calls",
            between=ours.sweep,
        )
        sdk.provider.shutdown()
    return [make_row(case, costs) for case in cases]


def make_row(case: Case, costs: dict[str, float]) -> Row:
    """What was measured of a case."""
    bare = costs[case.bare] if case.bare else None
    row = Row(case.group, case.subject, costs[case.subject], why=case.why, bare=bare)
    return compare(row, costs, case.against, at_most=case.at_most) if case.against else row
