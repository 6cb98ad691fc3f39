"""The settings file: where it is looked for, how it is read, and on which line a key stands.

`tradespan.toml`, or `[tool.tradespan]` in `pyproject.toml`: the first one found from the working
directory upward, up to a repository's root or the home directory. `--config` and TRADESPAN_CONFIG
name a file instead; by its suffix that may be YAML.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.core.errors import UnreadableSettings

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\]\[]+?)\s*\]")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


class SettingsFile(NamedTuple):
    """A settings file as read."""

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[str, int]
    """Dotted key (`map[0].function`) → line, from 1; keys inside inline tables are not there."""
    shown: str
    """The path as errors and `doctor` show it."""
    prefix: str = ""
    """What stands before our keys in the file: `tool.tradespan.`"""

    def locate(self, key: str) -> str:
        """The origin of a key: `tradespan.toml:12 service.name`."""
        line, outer = None, self.prefix + key
        while outer and line is None:  # inside an inline table: that table's line
            line, outer = self.lines.get(outer), outer.rpartition(".")[0]
        return f"{self.shown}{'' if line is None else f':{line}'} {self.prefix}{key}"


def find_settings_file(directory: Path, home: Path) -> Path | None:
    """The settings file that counts for a working directory, or None.

    Args:
        directory: Absolute path of the working directory.
        home: Absolute path of the home directory.

    Raises:
        UnreadableSettings: A `pyproject.toml` on the way cannot be read.
    """
    owners = {0, os.getuid(), _owner_of(directory)} if hasattr(os, "getuid") else None
    for folder in (directory, *directory.parents):
        for path in (folder / "tradespan.toml", folder / "pyproject.toml"):
            # Somebody else's file in a shared folder above, such as /tmp, must not choose where
            # our data goes.
            trusted = folder == directory or owners is None or _owner_of(path) in owners
            if not trusted or not _exists(path):
                continue
            if path.name != "pyproject.toml" or _is_ours(path):
                return path
        if folder == home or _exists(folder / ".git"):
            return None
    return None


def _exists(path: Path) -> bool:
    return _owner_of(path) is not None


def _owner_of(path: Path) -> int | None:
    """The owner's user id; None if there is nothing, or nothing that we may see."""
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _is_ours(path: Path) -> bool:
    """Whether a `pyproject.toml` has our table; most have not, and are not parsed."""
    if b"tradespan" not in _read_bytes(path, "found"):
        return False
    return "tradespan" in _parse_toml(path, "found").get("tool", {})


def read_settings_file(path: Path, origin: str, directory: Path) -> SettingsFile:
    """Read and parse a settings file, its form given by its suffix.

    Args:
        path: The file; `pyproject.toml` is read from `[tool.tradespan]`.
        origin: Who named it, for errors.
        directory: The working directory: below it, the path is shown as a relative one.

    Raises:
        UnreadableSettings: It is missing, not permitted, or not in its format.
    """
    below = path.is_relative_to(directory) and directory != directory.parent
    shown = str(path.relative_to(directory)) if below else str(path)
    if path.suffix in {".yaml", ".yml"}:
        return SettingsFile(path, _parse_yaml(path, origin), {}, shown)
    content = _parse_toml(path, origin)
    lines = scan_lines(_read_bytes(path, origin).decode())
    if path.name != "pyproject.toml":
        return SettingsFile(path, content, lines, shown)
    ours = content.get("tool", {}).get("tradespan", {})
    return SettingsFile(path, ours, lines, shown, "tool.tradespan.")


def _read_bytes(path: Path, origin: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableSettings(path, origin, error.strerror or str(error)) from None


def _parse_toml(path: Path, origin: str) -> dict[str, Any]:
    # When there is such a file: without it a supervisor is a megabyte smaller.
    tomllib: Any = importlib.import_module("tomllib")
    try:
        content: dict[str, Any] = tomllib.loads(_read_bytes(path, origin).decode())
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise UnreadableSettings(path, origin, f"not TOML: {error}") from None
    return content


def _parse_yaml(path: Path, origin: str) -> dict[str, Any]:
    try:
        yaml: Any = importlib.import_module("yaml")  # optional extra
    except ImportError:
        reason = "YAML needs the package PyYAML, which is not installed; or write it as TOML"
        raise UnreadableSettings(path, origin, reason) from None
    try:
        content = yaml.safe_load(_read_bytes(path, origin))
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UnreadableSettings(path, origin, f"not YAML: {reason}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UnreadableSettings(path, origin, "not YAML of a table of settings")
    return content


def scan_lines(text: str) -> dict[str, int]:
    """Dotted key → line of a TOML text.

    A scan and no parser: it sees `key =` and `[table]` at the start of lines, and that is all an
    error message needs. Keys inside inline tables are not seen.
    """
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table, inside_text = "", False
    for number, line in enumerate(text.splitlines(), start=1):
        outside, inside_text = not inside_text, inside_text ^ _opens_or_closes_text(line)
        if not outside:
            continue
        if match := _TABLE.match(line):
            table = _name_table(_PART.findall(match[2]), match[1] == "[[", counts)
            lines.setdefault(table, number)
        elif match := _KEY.match(line):
            key = ".".join(part.strip("\"'") for part in _PART.findall(match[1]))
            lines.setdefault(f"{table}.{key}" if table else key, number)
    return lines


def _opens_or_closes_text(line: str) -> bool:
    return (line.count('"""') + line.count("'''")) % 2 == 1


def _name_table(parts: list[str], in_array: bool, counts: dict[str, int]) -> str:
    """`[map.fields]` after the second `[[map]]` is `map[1].fields`."""
    name = ""
    for index, part in enumerate(parts):
        name = f"{name}.{part.strip(_QUOTES)}" if name else part.strip(_QUOTES)
        if in_array and index == len(parts) - 1:
            counts[name] = counts.get(name, 0) + 1
        if name in counts:
            name = f"{name}[{counts[name] - 1}]"
    return name


_QUOTES = "\"'"
