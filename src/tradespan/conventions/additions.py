"""A user's own declarations: files in the form of ours, read and checked beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tradespan.conventions.reading import load_registry, read_groups
from tradespan.conventions.registry import Place, Registry
from tradespan.conventions.rules import check_registry
from tradespan.conventions.tables import NotYaml, Problem, parse_yaml

FOLDER = "conventions"
"""Beside the settings file; its files are read where the settings name none."""
MOST_BYTES = 4 * 1024 * 1024
"""Of one file that are read."""


def find_files(named: Sequence[Path], settings_file: Path | None) -> list[Path]:
    """The files that the settings name, or those of the folder beside the settings file."""
    if named:
        return list(named)
    folder = (settings_file.parent if settings_file else Path.cwd()) / FOLDER
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def read_additions(files: Sequence[Path]) -> tuple[Registry, list[Problem]]:
    """What some files declare, as far as it can be read, and all that is wrong with them.

    Raises:
        NoYaml: PyYAML is not installed.
    """
    problems: list[Problem] = []
    contents: dict[str, object] = {}
    for file in files:
        try:
            contents[str(file)] = parse_yaml(_read(file))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            problems.append(Problem(Place(str(file)), "", f"cannot be read: {reason}"))
        except NotYaml as error:
            problems.append(Problem(Place(str(file), error.line), "", f"is no YAML: {error}"))
    registry = read_groups(contents, problems)
    problems += check_registry(registry, (), load_registry())
    return registry, sorted(set(problems), key=lambda problem: problem.place)


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(f"it is over {MOST_BYTES // 1024 // 1024} MiB")
    return content.decode("utf-8")
