"""Text that anybody may have written, made safe to look at.

Control characters (a terminal obeys them, and a line break begins a line that nobody logged), marks
that turn the direction of what follows, and characters without a shape are written out.
"""

from __future__ import annotations

import re

_UNSEEN = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: ANSI sequences begin with one of these
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line ends, bidirectional marks
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\ue000-\uf8ff"  # halves of pairs, and what each font shows otherwise
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff"  # tags, which hide text, and private use
)
_unseen = re.compile(f"[{_UNSEEN}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape_text(text: str) -> str:
    r"""The text on one line, as Python writes such characters in a literal: `\x1b`, `\u202e`.

    A backslash that was there stays as it is: this is for eyes, not for reading back.
    """
    return _unseen.sub(_as_python, text)


def escape_json(text: str) -> str:
    """JSON that means the same, without such characters; they can only be inside its texts."""
    return _unseen.sub(_as_json, text)


def _as_python(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _as_json(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
