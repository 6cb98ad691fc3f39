"""docs/exploration.md: its tables, from results.json, between marks. The words are by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.explore.results import Found
from tests.explore.subjects import SUBJECTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exploration.md"
_NOT_RUN = "Not run yet."


def write(results: Mapping[str, Found]) -> None:
    """Put the tables into the page."""
    PAGE.write_text(put_into(PAGE.read_text(), results))


def put_into(page: str, results: Mapping[str, Found]) -> str:
    """The page with each table in its place.

    Raises:
        ValueError: The page lacks the marks of a table.
    """
    found = [results[subject.key] for subject in SUBJECTS if subject.key in results]
    for section, render in TABLES.items():
        head, foot = f"<!-- {section}: written by `make explore` -->", f"<!-- end of {section} -->"
        pattern = re.compile(f"{re.escape(head)}\n.*?{re.escape(foot)}", re.DOTALL)
        if len(pattern.findall(page)) != 1:
            raise ValueError(f"the page has no one place for {section}")
        written = f"{head}\n\n{render(found) if found else _NOT_RUN}\n\n{foot}"
        page = pattern.sub(written.replace("\\", "\\\\"), page)
    return page


def outcomes(found: Sequence[Found]) -> str:
    """What the tests came to, and what the runs cost."""
    lines = []
    for each in found:
        bare, watched = each["bare"], each["watched"]
        lines.append([
            each["subject"],
            each["package"],
            f"{bare['tests']:,}",
            *(f"{way['passed']:,} / {way['failed']:,}" for way in (bare, watched)),
            f"{len(each['differences']):,}",
            f"{bare['seconds']:,.0f} s",
            f"{watched['seconds']:,.0f} s",
            *(_mib(way["peak_bytes"]) for way in (bare, watched)),
        ])  # fmt: skip
    lines.append(_sum_of(found))
    head = ["suite", "of", "tests", "passed / failed, bare", "passed / failed, watched",
            "differences", "time, bare", "time, watched", "memory, bare",
            "memory, watched"]  # fmt: skip
    left_out = [
        f"- Not run, either way: `{test}` of {each['subject']}: {reason}."
        for each in found
        for test, reason in each["left_out"].items()
    ]
    parts = [table(head, "ll" + "r" * 8, lines), source(found), "\n".join(left_out)]
    return "\n\n".join(part for part in parts if part)


def _sum_of(found: Sequence[Found]) -> list[str]:
    def total(way: str, field: str) -> Any:
        return sum(each[way][field] for each in found)

    return [
        "all", "", f"{total('bare', 'tests'):,}",
        *(f"{total(way, 'passed'):,} / {total(way, 'failed'):,}" for way in ("bare", "watched")),
        f"{sum(len(each['differences']) for each in found):,}",
        *(f"{total(way, 'seconds'):,.0f} s" for way in ("bare", "watched")),
        "", "",
    ]  # fmt: skip


def recorded(found: Sequence[Found]) -> str:
    """What was watched and what that recorded."""
    lines = []
    for each in found:
        functions, books = each["functions"], each["books"]
        seen, watched = functions["found"], functions["watched"]
        lines.append([
            each["subject"],
            f"{seen:,}",
            f"{watched:,}",
            f"{100 * watched / seen:.1f} %" if seen else "",
            f"{books['recorded']:,}",
            f"{books['on_disk']:,}",
            f"{books['discarded']:,}",
            "yes" if books["balance"] else "**no**",
            f"{books['bytes'] / 2**20:,.0f} MiB",
        ])  # fmt: skip
    total = sum(each["books"]["recorded"] for each in found)
    lines.append(["all", "", "", "", f"{total:,}", "", "", "", ""])
    head = ["suite", "functions found", "watched", "share", "records", "read back", "discarded",
            "books balance", "on disk"]  # fmt: skip
    return table(head, "l" + "r" * 8, lines)


def left_alone(found: Sequence[Found]) -> str:
    """Why functions are not watched: a line for each reason, its number in each package's suites.

    Suites of one package import other parts of it: the largest number is shown.
    """
    most: Counter[tuple[str, str, str]] = Counter()
    for each in found:
        here: Counter[tuple[str, str, str]] = Counter()
        for field, kind in (("skipped", "found, not watched"), ("left", "not found as such")):
            for reason, count in each["functions"][field].items():
                here[each["package"], kind, _without_names(reason)] += count
        most |= here
    lines = [[*key, f"{count:,}"] for key, count in sorted(most.items())]
    return table(["package", "", "why", "at most"], "lllr", lines) if lines else "None."


def _without_names(reason: str) -> str:
    return (
        re.sub(r"it calls \w+, of which", "it calls what", reason) or "can be called, no function"
    )


def differences(found: Sequence[Found]) -> str:
    """Each by name, with its reason."""
    lines = [
        [each["subject"], f"`{one['name']}`".replace("|", "\\|"), one["bare"], one["watched"],
         one["reason"] or "**not explained**"]
        for each in found
        for one in each["differences"]
    ]  # fmt: skip
    head = ["suite", "test or warning", "bare", "watched", "reason"]
    return table(head, "lllll", lines) if lines else "None."


def source(found: Iterable[Found]) -> str:
    """Which runs a table is of."""
    runs = dict.fromkeys((each["date"], each["versions"]) for each in found)
    return "Run " + "; ".join(f"{date}: {versions}" for date, versions in runs) + "."


def table(head: Sequence[str], sides: str, lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; `sides`: `l` or `r` for each column."""
    rule = ["---:" if side == "r" else "---" for side in sides]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


TABLES: Mapping[str, Callable[[Sequence[Found]], str]] = {
    "outcomes": outcomes,
    "recorded": recorded,
    "left alone": left_alone,
    "differences": differences,
}
