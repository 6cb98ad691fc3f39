"""Expressions of the user's that mark secrets: refused where a text could make one slow.

Python's own parse tree is private, and trying texts on an expression proves nothing. So the text of
the expression is read here, by the public grammar, and only what is known to be quick passes. What
that costs is a few harmless expressions, which can be written another way: possessive (`++`), with
bounds (`{1,64}`), or with a character between two repeats that the first one does not take.

With these rules an expression takes, from one place of a text, time in proportion to its length, so
its square for all places; `capture/redact.py` gives it 2,048 characters at once.

Source: Python's documentation of `re`, "Regular Expression Syntax".
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import NamedTuple, NoReturn

from tradespan.config.kinds import PATTERNS, Kind, Place, Refused

LONGEST_PATTERN = 300
_WIDE = 64
"""Choices from which on a repeat with bounds counts as one without end."""
_MOST_WAYS, _MOST_WAYS_BESIDE_WIDE = 1_000, 32
_SAMPLE = string.printable + "é中"
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d*)(,?)(\d*)\})([+?]?)")
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]+\}|0[0-7]{0,2}|.)", re.DOTALL
)
_SET = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_OPENING = re.compile(
    r"\((?:\?(?:(?P<look><?[=!])|P<\w+>|(?P<flags>[aiLmsux]*(?:-[imsx]+)?):|>"
    r"|(?P<alone>[aiLmsux]+)\)|(?P<comment>\#[^)]*)\)|(?P<odd>P=|\()))?"
)


class _Piece(NamedTuple):
    """One step of a sequence."""

    chars: frozenset[str]
    """Those of the sample that it takes."""
    needed: bool = True
    wide: bool = False


class _Part:
    """What a group holds, or a whole expression."""

    def __init__(self, pieces: list[_Piece], ways: int = 1, *, varies: bool = False) -> None:
        self.pieces = pieces
        self.ways = ways
        """In how many ways it can match, repeats without end apart."""
        self.varies = varies
        """Whether it repeats or chooses."""


def read_pattern(text: str) -> re.Pattern[str]:
    """The compiled expression.

    Raises:
        re.error: It does not compile, or might be slow; the message says where and why.
    """
    if len(text) > LONGEST_PATTERN:
        raise re.error(f"longer than {LONGEST_PATTERN} characters", text, LONGEST_PATTERN)
    compiled = re.compile(text)
    part = _Reader(text).read()
    wide = any(piece.wide for piece in part.pieces)
    if part.ways > (_MOST_WAYS_BESIDE_WIDE if wide else _MOST_WAYS):
        raise re.error("too many optional parts and choices: it could be slow", text, 0)
    if compiled.fullmatch(""):
        raise re.error("it matches the empty text", text, 0)
    return compiled


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> _Part:
        """The part up to the end, or to the bracket that closes a group."""
        branches = [self._sequence()]
        while self.text[self.at : self.at + 1] == "|":
            self.at += 1
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        pieces = [piece for branch in branches for piece in branch.pieces]
        taken = frozenset[str]().union(*(piece.chars for piece in pieces))
        wide = any(piece.wide for piece in pieces)
        needed = all(any(piece.needed for piece in branch.pieces) for branch in branches)
        return _Part(
            [_Piece(taken, needed, wide)], sum(part.ways for part in branches), varies=True
        )

    def _sequence(self) -> _Part:
        whole = _Part([])
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            start = self.at
            part = self._repeated(self._atom(), start)
            whole.ways *= part.ways
            whole.varies |= part.varies
            whole.pieces += part.pieces
            self._check(whole.pieces, start)
        return whole

    def _check(self, pieces: list[_Piece], start: int) -> None:
        """Refuse endless repeats that share characters, unless something between ends the first."""
        running: list[frozenset[str]] = []
        for piece in pieces:
            if piece.wide and any(piece.chars & taken for taken in running):
                self._refuse("a second repeat that could take what the first one left", start)
            if piece.needed:
                running = [taken for taken in running if piece.chars & taken]
            if piece.wide:
                running.append(piece.chars)

    def _atom(self) -> _Part:
        first = self.text[self.at]
        if first == "(":
            return self._group()
        token = {"[": _SET, "\\": _ESCAPE}.get(first)
        found = token.match(self.text, self.at) if token is not None else None
        source = found.group() if found is not None else first
        if first == "\\" and source[1:].isdecimal() and source[1] != "0":
            self._refuse("a reference to a group", self.at)
        self.at += len(source)
        if source in ("^", "$", r"\b", r"\B", r"\A", r"\Z"):
            return _Part([])
        return _Part([_Piece(_taken_by(source))])

    def _group(self) -> _Part:
        start = self.at
        opening = _OPENING.match(self.text, start)
        assert opening is not None  # a lone bracket matches
        self.at = opening.end()
        if opening["odd"] or self.text.startswith("(?P=", start):
            self._refuse("a reference to a group", start)
        if "x" in (opening["flags"] or opening["alone"] or ""):
            self._refuse("the flag x", start)
        if opening["alone"] or opening["comment"]:
            return _Part([])
        part = self.read()
        self.at += 1
        if opening["look"]:
            if part.varies:
                self._refuse("a repeat or a choice in what is only looked at", start)
            return _Part([])
        return part

    def _repeated(self, part: _Part, start: int) -> _Part:
        found = _QUANTIFIER.match(self.text, self.at)
        if found is None or found.group() in ("{}", "{,}"):
            return part
        self.at = found.end()
        least, most = _bounds(found)
        if part.varies and most != 1:
            self._refuse("a repeat of what repeats or chooses itself", start)
        wide = most is None or most - least >= _WIDE
        pieces = [piece._replace(needed=piece.needed and least > 0) for piece in part.pieces]
        if found[4] == "+":  # possessive: what it took, it keeps
            return _Part(pieces, part.ways, varies=True)
        if wide:
            taken = frozenset[str]().union(*(piece.chars for piece in pieces))
            return _Part([_Piece(taken, least > 0, True)], part.ways, varies=True)
        choices = 1 if most is None else most - least + 1
        return _Part(pieces, part.ways * choices, varies=part.varies or choices > 1)

    def _refuse(self, what: str, at: int) -> NoReturn:
        raise re.error(f"{what}: it could be slow", self.text, at)


def _bounds(found: re.Match[str]) -> tuple[int, int | None]:
    sign = found.group()[0]
    if sign != "{":
        return (1 if sign == "+" else 0), (1 if sign == "?" else None)
    least = int(found[1] or 0)
    if not found[2]:
        return least, least
    return least, int(found[3]) if found[3] else None


@lru_cache(maxsize=64)
def _taken_by(source: str) -> frozenset[str]:
    one = re.compile(source, re.IGNORECASE | re.DOTALL)
    # Nothing of the sample: it may be anything.
    return frozenset(filter(one.fullmatch, _SAMPLE)) or frozenset(_SAMPLE)


def _hidden_patterns(raw: object, place: Place) -> tuple[re.Pattern[str], ...]:
    return tuple(read_pattern(pattern.pattern) for pattern in PATTERNS.parse(raw, place))


def _names(raw: object, _: Place) -> tuple[str, ...]:
    given = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise Refused
    names = tuple(name.strip() for name in given if name.strip())
    if not all(re.search("[A-Za-z0-9]", name) for name in names):
        raise Refused
    return names


HIDDEN_PATTERNS: Kind = PATTERNS._replace(parse=_hidden_patterns)
NAMES = Kind(
    "names",
    "names of fields: a list, or text with commas between them",
    _names,
    lambda names: ", ".join(names) or "none",
)
