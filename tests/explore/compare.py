"""Where a watched run differs from the bare one."""

from __future__ import annotations

from dataclasses import dataclass

from tests.explore.play import Play

NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """A test, or a warning, that came out otherwise."""

    name: str
    bare: str
    watched: str
    detail: str = ""


def find_differences(bare: Play, watched: Play) -> list[Difference]:
    """Tests whose outcome is another, by name."""
    return [
        Difference(name, before, after, watched.details.get(name) or bare.details.get(name, ""))
        for name in sorted({*bare.outcomes, *watched.outcomes})
        if (before := bare.outcomes.get(name, NOT_RUN))
        != (after := watched.outcomes.get(name, NOT_RUN))
    ]


def find_changed_warnings(bare: Play, watched: Play) -> list[Difference]:
    """Warnings that came more or less often."""
    return [
        Difference(text, f"{bare.warnings[text]} ×", f"{watched.warnings[text]} ×")
        for text in sorted({*bare.warnings, *watched.warnings})
        if bare.warnings[text] != watched.warnings[text]
    ]


def find_flaky(one: Play, other: Play) -> set[str]:
    """Tests and warnings that differ between two bare runs."""
    found = [*find_differences(one, other), *find_changed_warnings(one, other)]
    return {difference.name for difference in found}
