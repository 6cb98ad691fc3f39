"""The kind of a setting that is a list of files."""

from __future__ import annotations

import re
from pathlib import Path

from tradespan.config.kinds import Kind, Place, Refused, resolve_path


def _files(raw: object, place: Place) -> tuple[Path, ...]:
    if isinstance(raw, str):
        raw = [part.strip() for part in re.split(r"[;\n]", raw) if part.strip()]
    if not isinstance(raw, list | tuple):
        raise Refused
    return tuple(resolve_path(each, place) for each in raw)


FILES = Kind(
    "files",
    "paths: a list, or text with one per line or separated by ;",
    _files,
    lambda files: "; ".join(map(str, files)) or "none",
)
