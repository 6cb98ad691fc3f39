"""docs/durability.md: its tables, from results.json, between marks. The words are by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.crash.matrix import ROWS
from tests.crash_long.results import Found

PAGE = Path(__file__).resolve().parents[2] / "docs" / "durability.md"
SUBJECTS = {
    "sdk": "OpenTelemetry SDK",
    "logfire": "logfire",
    "tradespan": "`tradespan run`",
    "tradespan-code": "`configure()`",
}


def write(results: Mapping[str, list[Found]]) -> None:
    """Put the tables into the page."""
    PAGE.write_text(put_into(PAGE.read_text(), results))


def put_into(page: str, results: Mapping[str, list[Found]]) -> str:
    """The page with each section's table in its place.

    Raises:
        ValueError: The page lacks the marks of a section.
    """
    for section, render in TABLES.items():
        found = results.get(section, [])
        written = f"{render(found)}\n\n{source(found)}" if found else "Not run yet."
        head, foot = f"<!-- {section}: written by `make crash` -->", f"<!-- end of {section} -->"
        pattern = re.compile(f"{re.escape(head)}\n.*?{re.escape(foot)}", re.DOTALL)
        places = pattern.findall(page)
        if len(places) != 1:
            raise ValueError(f"the page has {len(places)} places for {section}")
        page = page.replace(places[0], f"{head}\n\n{written}\n\n{foot}")
    return page


def source(found: Iterable[Found]) -> str:
    """Which runs a table is of."""
    runs = dict.fromkeys((each["date"], each["versions"]) for each in found)
    return "Measured " + "; ".join(f"{date}: {versions}" for date, versions in runs) + "."


def matrix(found: Sequence[Found]) -> str:
    """% lost, the range over the runs with their number; and the longest exit."""
    lines = []
    for row in ROWS:
        cells = [row.title]
        for subject in SUBJECTS:
            plays = [e for e in found if (e["row"], e["subject"]) == (row.key, subject)]
            cells.append(_losses(plays) if plays else "")
        lines.append(cells)
    return table(["what happens", *SUBJECTS.values()], "l" + "r" * len(SUBJECTS), lines)


def _losses(plays: Sequence[Found]) -> str:
    percents = [100 * play["lost"] / play["recorded"] for play in plays]
    least, most = min(percents), max(percents)
    lost = f"{most:.0f}" if most - least < 0.5 else f"{least:.0f}–{most:.0f}"
    exit_seconds = max(play["exit_seconds"] for play in plays)
    return f"{lost} % (n={len(plays)}), {exit_seconds:.1f} s"


def kills(found: Sequence[Found]) -> str:
    """A line for each way to record, and their sum."""
    names = ["kills", "rolled", "agent_kills", "acknowledged", "delivered", "stored", "lost",
             "torn", "sent_twice", "stored_twice", "unaccounted"]  # fmt: skip
    lines = [[each["way"], *(f"{each[name]:,}" for name in names)] for each in found]
    lines.append(["all", *(f"{sum(each[name] for each in found):,}" for name in names)])
    head = ["", "kills", "at a roll-over", "of the agent", "acknowledged", "at the receiver",
            "in the store", "lost", "torn", "sent twice", "stored twice",
            "unaccounted"]  # fmt: skip
    return table(head, "l" + "r" * len(names), lines)


def chaos(found: Sequence[Found]) -> str:
    """A line for each kind."""
    lines = [
        [
            each["faults"],
            f"{each['recorded']:,}",
            f"{each['lost']:,}",
            f"{each['parked']:,}",
            f"{each['twice']:,}",
            f"{each['refused']:,}",
            f"{each['exit_seconds']:.1f} s",
            f"{each['agent_mebibytes']:.0f} MiB",
        ]
        for each in found
    ]
    head = ["the receiver", "recorded", "lost", "parked", "sent twice", "refusals", "exit",
            "agent, at most"]  # fmt: skip
    return table(head, "l" + "r" * 7, lines)


def burst(found: Sequence[Found]) -> str:
    """A line for each size."""
    lines = [
        [
            f"{each['spans']:,}",
            str(each["threads"]),
            f"{each['lost']:,}",
            f"{each['twice']:,}",
            f"{each['grown_mebibytes']:.1f} MiB",
            f"{each['agent_mebibytes']:.0f} MiB",
            f"{each['recorded_per_second']:,}",
            f"{each['forwarded_per_second']:,}",
        ]
        for each in found
    ]
    head = ["spans", "threads", "lost", "sent twice", "the program grew by", "agent, at most",
            "recorded a second", "forwarded a second"]  # fmt: skip
    return table(head, "r" * 8, lines)


def table(head: Sequence[str], sides: str, lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; `sides`: `l` or `r` for each column."""
    rule = ["---:" if side == "r" else "---" for side in sides]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


TABLES: Mapping[str, Callable[[Sequence[Found]], str]] = {
    "matrix": matrix,
    "kills": kills,
    "chaos": chaos,
    "burst": burst,
}
