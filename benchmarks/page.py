"""A run's report as Markdown, for the terminal and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.results import Memory, PeerRow, Report, Row, TailRow, show_bar, show_ratio

MARK = "<!-- written by `make bench ARGS=--write`: edit benchmarks/page.py -->"


def render(report: Report, machine: Mapping[str, str], how: str) -> str:
    """The whole of it; `how` says how many rounds there were."""
    blocks = ["\n".join(f"- {name}: {value}" for name, value in machine.items()), how]
    if report.rows:
        blocks += ["## One call", bars(report.rows), *unmet(report.rows)]
    if report.tail:
        blocks += ["## The slowest events", tail(report.tail)]
    if report.peers:
        blocks += ["## Peers", peers(report.peers)]
    if report.memory:
        blocks += ["## Memory", memory(report.memory)]
    if report.notes:
        blocks += ["## Notes", "\n".join(f"- {note}" for note in report.notes)]
    return "\n\n".join(blocks)


def put_into(page: str, written: str) -> str:
    """The page with all that follows the mark replaced.

    Raises:
        ValueError: The page has no mark.
    """
    head, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f"the page has no line {MARK}")
    return f"{head}{mark}\n\n{written}\n"


def bars(rows: Iterable[Row]) -> str:
    """The table of single calls."""
    lines = [
        [
            row.name,
            _us(row.cost),
            row.against,
            "" if row.reference is None else _us(row.reference),
            show_ratio(row.ratio),
            show_bar(row.at_most),
            {True: "yes", False: "**no**", None: ""}[row.met],
        ]
        for row in rows
    ]
    return _table(["", "µs", "against", "its µs", "ratio", "at most", "met"], "lrlrrrl", lines)


def unmet(rows: Sequence[Row]) -> Iterator[str]:
    """Each bar that is not met, by how much, and where the time goes."""
    judged = [row for row in rows if row.met is not None]
    missed = [row for row in judged if not row.met]
    if not judged:
        return
    yield f"{len(judged) - len(missed)} of {len(judged)} bars are met."
    if missed:
        yield "\n".join(
            f"- {row.name}: {show_ratio(row.ratio)} of {row.against}, asked for"
            f" {show_bar(row.at_most)}. In it: {row.why}.{_bare_share(row)}"
            for row in missed
        )


def _bare_share(row: Row) -> str:
    """What could not be saved by any instrumentation."""
    if row.bare is None or row.reference is None or row.at_most is None:
        return ""
    allowed = row.reference * row.at_most
    return f" Bare it takes {_us(row.bare)} of the {_us(allowed)} µs that the bar allows."


def tail(rows: Iterable[TailRow]) -> str:
    """Quantiles of each way: the median of the runs, and their range."""
    lines = [
        [
            row.measure,
            row.way,
            str(row.runs),
            *[
                f"{row.median[name]:,.0f} ({row.least[name]:,.0f}–{row.most[name]:,.0f})"
                for name in row.median
            ],
        ]
        for row in rows
    ]
    return _table(["µs", "", "runs", "p50", "p99", "p99.9", "max"], "llrrrrr", lines)


def peers(rows: Iterable[PeerRow]) -> str:
    """What others cost; SDK and `@monitor` were measured in each peer's process, too."""
    lines = [
        [
            row.peer,
            row.what,
            _us(row.cost),
            _us(row.sdk),
            _us(row.monitor),
            show_ratio(row.monitor / row.cost),
        ]
        for row in rows
    ]
    head = ["peer", "", "µs", "SDK span, same run", "`@monitor`, same run", "`@monitor` is"]
    return _table(head, "llrrrr", lines)


def memory(found: Memory) -> str:
    """One sentence."""
    before, after = found.before, found.after
    verdict = "no growth" if found.met else "**it grows**"
    return (
        f"{found.calls:,} calls: the process's own memory went from {_mib(before['own'])} to"
        f" {_mib(after['own'])} ({verdict}); with mapped files and libraries from"
        f" {_mib(before['all'])} to {_mib(after['all'])}."
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _us(cost: float) -> str:
    return f"{cost:.2f}" if cost < 100 else f"{cost:,.0f}"


def _table(head: Sequence[str], sides: str, lines: Iterable[Sequence[str]]) -> str:
    rule = ["---:" if side == "r" else "---" for side in sides]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])
