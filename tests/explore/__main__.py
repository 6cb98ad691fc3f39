r"""The exploration tests: `python -m tests.explore`, or `make explore`.

Each suite runs bare, then under `tradespan run -i '<package>\..*'`. Prints what differs, and ends
with 1 if a difference is not a known one, a run hung or died, or the books do not balance. With
`--write` the findings go to results.json and to docs/exploration.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.explore import page, results
from tests.explore.compare import find_changed_warnings, find_differences, find_flaky
from tests.explore.play import Play, play_bare, play_watched
from tests.explore.sources import ensure_fetched, version_of
from tests.explore.subjects import BY_KEY, SUBJECTS, Subject

_MOST_TOLD = 20


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 if nothing differs without a known reason."""
    options = _parse(words)
    chosen = [BY_KEY[key] for key in options.only or ()] or [
        subject for subject in SUBJECTS if subject.quick or not options.quick
    ]
    os.nice(options.nice)
    fetched = ensure_fetched(each.distribution for each in chosen if each.from_source)
    good = True
    for subject in chosen:
        found = explore(subject, fetched)
        good = good and results.is_good(found)
        if options.write:
            results.keep(found)
            page.write(results.load())
    return 0 if good else 1


def explore(subject: Subject, fetched: Path | None) -> results.Found:
    """One suite both ways; a third time bare where something differs, for tests that waver."""
    bare = play_bare(subject, fetched)
    _tell(subject, "bare", bare)
    watched, books = play_watched(subject, fetched)
    _tell(subject, "watched", watched)
    differences = [*find_differences(bare, watched), *find_changed_warnings(bare, watched)]
    flaky = set[str]()
    if differences:
        flaky = find_flaky(bare, play_bare(subject, fetched))
    differences = [each for each in differences if each.name not in flaky]
    found = results.summarize(
        subject, version_of(subject.distribution, fetched), (bare, watched), books, differences,
        len(flaky),
    )  # fmt: skip
    _tell_found(found)
    return found


def _tell(subject: Subject, way: str, play: Play) -> None:
    print(
        f"{subject.key}, {way}: {play.count('passed', 'xpassed'):,} passed,"
        f" {play.count(*results.FAILURES):,} failed of {len(play.outcomes):,};"
        f" {play.seconds:.1f} s, {play.peak_bytes / 2**20:,.0f} MiB",
        flush=True,
    )
    if not play.ended:
        print(f"  did not come to its end: status {play.status}, in {play.last}\n{play.said}")


def _tell_found(found: results.Found) -> None:
    books = found["books"]
    print(
        f"  {books['recorded']:,} recorded, {books['discarded']:,} discarded,"
        f" books {'balance' if books['balance'] else 'DO NOT BALANCE'};"
        f" {len(found['differences'])} differences, {found['flaky']} waver",
        flush=True,
    )
    for each in found["differences"][:_MOST_TOLD]:
        reason = each["reason"] or "NOT EXPLAINED"
        print(
            f"  {each['name']}: {each['bare']} → {each['watched']}: {reason}\n   {each['detail']}"
        )
    if len(found["differences"]) > _MOST_TOLD:
        print("  …")


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make explore ARGS=…", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=list(BY_KEY), metavar="SUITE", help=", ".join(BY_KEY))
    add("--quick", action="store_true", help="a few suites only: minutes")
    add("--write", action="store_true", help="write results.json and docs/exploration.md")
    add("--nice", type=int, default=0, help="as nice(1) takes it")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
