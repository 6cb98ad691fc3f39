"""The search language: what may be asked for, and how a text is read.

A search is words separated by spaces; a trace must satisfy all of them. In quotes, `"…"`, a word
may hold spaces; a backslash before a quote or a backslash takes it as it is. A word that begins
with a quote is never read as `key=value` or `status:…`.

  symbol=AAPL       an attribute named `symbol` or ending in `.symbol` (`trading.symbol`, the
                    argument `tradespan.args.symbol`) is `AAPL`: of a span, its function, its
                    events or its resource. Numbers compare as numbers, true and false as such.
  status:err        a span failed; `status:ok`: none did; `status:running`: one has no end yet
  duration:>10ms    the trace's duration; also `<`, `>=`, `<=`; units ns, us, ms, s, m, h; of a
                    trace that runs, what is known of it so far, not its age
  name:REGEX        a regular expression found in the name of a span or of its function
  group:NAME        a function of this process group ran
  service:NAME      this service took part
  anything else     is found in a span's name, arguments, result, attributes, exception or status
                    message, upper and lower case alike; 8 to 32 hex digits also find a trace id
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tradespan.core.errors import StoreError
from tradespan.store.rows import TraceFilter

UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
"""Nanoseconds in each unit."""

FIELDS = ("status", "duration", "name", "group", "service")

_DURATION = re.compile(r"(?P<sign>[<>]=?)(?P<number>\d+(?:\.\d+)?)(?P<unit>[a-zµ]+)")
_KEY = re.compile(r"[A-Za-z_][\w.\-/]*\Z")
_FIELD = re.compile(r"[a-z]+\Z")


class InvalidSearch(StoreError, ValueError):
    """A search that cannot be understood; the message names the place."""

    slug = "invalid-search"

    def __init__(self, text: str, position: int, reason: str) -> None:
        """What went wrong where.

        Args:
            text: The search as given.
            position: Index into `text` of the first character that is wrong.
            reason: What is wrong there.
        """
        self.text = text
        self.position = position
        self.reason = reason
        caret = f"  {text}\n  {' ' * position}^"
        super().__init__(f"Invalid search: {reason} at position {position}.\n{caret}")


@dataclass(frozen=True, slots=True)
class Word:
    """Text to be found anywhere in a span."""

    text: str


@dataclass(frozen=True, slots=True)
class Equals:
    """An attribute's value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a span failed."""

    failed: bool


@dataclass(frozen=True, slots=True)
class Running:
    """A span has begun and has no end yet."""


@dataclass(frozen=True, slots=True)
class Duration:
    """Bounds of the trace's duration in nanoseconds, both inclusive."""

    minimum: int | None
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Name:
    """A regular expression for names of spans and functions."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Group:
    """A process group."""

    name: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service."""

    name: str


@dataclass(frozen=True, slots=True)
class Started:
    """When the trace started: nanoseconds UTC, from inclusive, to exclusive."""

    since: int | None
    until: int | None


Term = Word | Equals | Status | Running | Duration | Name | Group | Service | Started


def list_terms(wanted: TraceFilter) -> list[Term]:
    """Everything a filter asks for, but the page.

    Raises:
        InvalidSearch: The text or the expression for names cannot be understood.
    """
    terms: list[Term] = []
    if wanted.since is not None or wanted.until is not None:
        terms.append(Started(wanted.since, wanted.until))
    if wanted.errors:
        terms.append(Status(failed=True))
    if wanted.minimum_duration is not None or wanted.maximum_duration is not None:
        terms.append(Duration(wanted.minimum_duration, wanted.maximum_duration))
    if wanted.name is not None:
        terms.append(_name(wanted.name, wanted.name, 0))
    if wanted.group is not None:
        terms.append(Group(wanted.group))
    if wanted.service is not None:
        terms.append(Service(wanted.service))
    return terms + parse_search(wanted.text)


def parse_search(text: str) -> list[Term]:
    """The terms of a search, all of which must hold.

    Raises:
        InvalidSearch: An open quote, an unknown unit or status, a bad regular expression.
    """
    return [_parse_term(text, token) for token in _split(text)]


@dataclass(frozen=True, slots=True)
class _Token:
    """One word of a search: its text without quotes, and where each character stood."""

    text: str
    places: tuple[int, ...]
    quoted_from: int | None
    """Index of the first character that stood in quotes or after them; None: no quotes."""

    def is_bare(self, index: int) -> bool:
        """Whether the character is an operator, if it looks like one."""
        return self.quoted_from is None or index < self.quoted_from

    def place(self, index: int) -> int:
        return self.places[index] if index < len(self.places) else self.places[-1] + 1


def _split(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        token, position = _read_token(text, position)
        yield token


def _read_token(text: str, start: int) -> tuple[_Token, int]:
    characters: list[tuple[str, int]] = []
    quote: int | None = None
    quoted_from: int | None = None
    position = start
    while position < len(text) and (quote is not None or not text[position].isspace()):
        character = text[position]
        if character == '"':
            quoted_from = len(characters) if quoted_from is None else quoted_from
            quote = position if quote is None else None
        elif quote is not None and text[position : position + 2] in ('\\"', "\\\\"):
            position += 1
            characters.append((text[position], position))
        else:
            characters.append((character, position))
        position += 1
    if quote is not None:
        raise InvalidSearch(text, quote, "this quote is not closed")
    word = "".join(character for character, _ in characters)
    places = tuple(place for _, place in characters) or (start,)
    return _Token(word, places, quoted_from), position


def _parse_term(text: str, token: _Token) -> Term:
    word = token.text
    field, colon, rest = word.partition(":")
    if colon and token.is_bare(len(field)) and _FIELD.match(field):
        start = token.place(len(field) + 1)
        _check_field(text, field, token.place(0))
        if field not in FIELDS:
            return Word(word)
        if not rest:
            raise InvalidSearch(text, start, f"a value is missing after {field}:")
        return _PARSERS[field](text, rest, start)
    key, equals, value = word.partition("=")
    if equals and token.is_bare(len(key)) and _KEY.match(key):
        if not value and token.quoted_from is None:
            raise InvalidSearch(text, token.place(len(word)), f"a value is missing after {key}=")
        return Equals(key, value)
    return Word(word)


def _check_field(text: str, field: str, start: int) -> None:
    near = difflib.get_close_matches(field, FIELDS, n=1, cutoff=0.8)
    if near and field not in FIELDS:
        reason = f"there is no {field}:, did you mean {near[0]}: (or quote it)"
        raise InvalidSearch(text, start, reason)


def _status(text: str, value: str, start: int) -> Term:
    failed = Status(failed=True)
    terms: dict[str, Term] = {
        "err": failed,
        "error": failed,
        "ok": Status(failed=False),
        "running": Running(),
    }
    if value.lower() not in terms:
        raise InvalidSearch(text, start, f"the status is err, ok or running, not {value}")
    return terms[value.lower()]


def _duration(text: str, value: str, start: int) -> Term:
    match = _DURATION.fullmatch(value)
    if match is None or match["unit"] not in UNITS:
        at = start if match is None else start + match.start("unit")
        example = "such as >10ms, <=2s; units ns, us, ms, s, m, h"
        raise InvalidSearch(text, at, f"expected a comparison and a duration {example}")
    bound = round(float(match["number"]) * UNITS[match["unit"]])
    return {
        ">": Duration(bound + 1, None),
        ">=": Duration(bound, None),
        "<": Duration(None, bound - 1),
        "<=": Duration(None, bound),
    }[match["sign"]]


def _name(text: str, value: str, start: int) -> Term:
    try:
        re.compile(value)
    except re.error as error:
        at = start + (error.pos or 0)
        raise InvalidSearch(text, at, f"the regular expression fails: {error.msg}") from error
    return Name(value)


def _group(text: str, value: str, start: int) -> Term:
    del text, start
    return Group(value)


def _service(text: str, value: str, start: int) -> Term:
    del text, start
    return Service(value)


_PARSERS: Mapping[str, Callable[[str, str, int], Term]] = {
    "status": _status,
    "duration": _duration,
    "name": _name,
    "group": _group,
    "service": _service,
}
