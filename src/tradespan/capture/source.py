"""The lines around a place of a traceback, as they are on disk.

Read without `linecache`, which would ask loaders and keep whole files. Only regular `.py` files of
moderate size, never through a link at the path's end, and none that was changed after the process
began: its lines would be others than those that ran.
"""

from __future__ import annotations

import os
import re
import stat
import time

from tradespan.capture.redact import redact_and_cut

LINES_AROUND = 5
_MOST_BYTES = 512 << 10
_LONGEST_LINE = 200
_BEGAN = time.time()
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,80}+-----.*?(?:-----END [A-Z0-9 ]{0,80}+-----|\Z)", re.DOTALL
)


class SourceLines:
    """Reads each file once: the frames of one failure often share theirs."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def around(self, file: str, line: int) -> dict[int, str]:
        """At most 11 lines by their number, redacted; empty if they cannot be had."""
        lines = self._files.get(file)
        if lines is None:
            lines = self._files[file] = _read(file)
        if not 1 <= line <= len(lines):
            return {}
        first = max(line - LINES_AROUND, 1)
        shown = lines[first - 1 : line + LINES_AROUND]
        return {
            number: redact_and_cut(text, _LONGEST_LINE)
            for number, text in enumerate(shown, start=first)
        }


def _read(file: str) -> list[str]:
    if not file.endswith(".py"):
        return []
    try:
        descriptor = os.open(file, _FLAGS)
    except (OSError, ValueError):
        return []
    try:
        facts = os.fstat(descriptor)
        if (
            not stat.S_ISREG(facts.st_mode)
            or facts.st_size > _MOST_BYTES
            or facts.st_mtime > _BEGAN
        ):
            return []
        text = os.read(descriptor, _MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    finally:
        os.close(descriptor)
    # A key may begin above the lines that are shown.
    text = _KEY_BLOCK.sub(lambda block: "***" + "\n" * block.group().count("\n"), text)
    return text.split("\n")
