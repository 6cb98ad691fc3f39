"""What is said at a program's end: patterns that did nothing, functions that could not be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from tradespan.instrument.auto.names import Selection, say_meant
from tradespan.instrument.auto.patch import IN_C, Report

NamesOf = Callable[[str], tuple[str, ...]]
"""From the recorded name to all that the function goes by."""


def remarks(selections: Iterable[Selection], report: Report, names_of: NamesOf) -> Iterator[str]:
    """A sentence for each pattern that has done nothing, and one for all that was skipped."""
    for selection in selections:
        for pattern in selection.include:
            if sentence := _of_pattern(selection, pattern, report, names_of):
                yield f"the pattern '{pattern.pattern}' {sentence}"
        if selection.tells_unused and any(selection.matched.values()):
            for pattern in selection.exclude:
                if pattern not in selection.applied:
                    yield f"the pattern '{pattern.pattern}' excluded nothing"
    if report.skipped:
        yield say_skipped(report.skipped)


def _of_pattern(
    selection: Selection, pattern: re.Pattern[str], report: Report, names_of: NamesOf
) -> str:
    def chosen(name: str) -> bool:
        return pattern in selection.choosing(*names_of(name))

    if any(map(chosen, report.watched)):
        return ""
    passed_over = {**report.left, **report.skipped}
    name = next(filter(chosen, passed_over), None)
    if name is not None:
        return f"watches nothing: {name} is {say_why(passed_over[name], name in report.skipped)}"
    count, excluded = selection.matched[pattern], selection.excluded[pattern]
    if count == 0:
        return "matched no function" + say_meant(pattern.pattern, selection.hints(pattern))
    if excluded == count:
        return f"watches nothing: what it matches is excluded, {count:,} in all"
    return ""  # by hand, with `@monitor`


def say_why(reason: str, skipped: bool) -> str:
    """The reason, and what to do about it."""
    if skipped or reason == IN_C:
        return reason
    return f"{reason}; write its name out to watch it"


def say_skipped(skipped: Mapping[str, str]) -> str:
    """`3 functions cannot be watched (2 frame-sensitive, 1 …)`."""
    counts = Counter(reason.partition(":")[0] for reason in skipped.values())
    told = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common(3))
    noun = (
        "function that patterns name is"
        if len(skipped) == 1
        else "functions that patterns name are"
    )
    return f"{len(skipped):,} {noun} not watched ({told}); tradespan targets says which and why"
