"""`serializer=`: how the arguments and results of a function are shown.

Every one of them is bounded by counting values, redacts by name and by look, and never raises: a
value that cannot be shown is `<Type>`.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice
from typing import Any, Literal
from uuid import UUID

import msgspec

from tradespan.capture.arrays import type_name
from tradespan.capture.dotted import by_name
from tradespan.capture.names import (
    MARK,
    Hides,
    hides_key,
    hides_next,
    hiding,
    text_hides,
)
from tradespan.capture.redact import redact_and_cut, redact_bytes
from tradespan.capture.serialize import fields_of, smart, smart_hiding
from tradespan.core.interruptions import is_hosts

Show = Callable[[Any, int], Any]
"""From a value and the most characters to what is recorded."""
Option = Literal["smart", "repr", "json"] | Callable[[Any], Any]

_MOST_VALUES = 500
"""Values inside one value that `repr` and `json` show."""
_MOST_MEMBERS = 100
_DEPTH = 8
_LONGEST = 1_000
"""Characters of one text inside a value."""
_LONGEST_KEY = 100
_NUMBERS = frozenset({bool, type(None), int, float})
_WRITTEN = frozenset(
    {Decimal, UUID, datetime.datetime, datetime.date, datetime.time, datetime.timedelta}
)
"""What msgspec writes as a text of its own."""
_BRACKETS: dict[type, tuple[str, str]] = {
    dict: ("{", "}"),
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}


def serializer(option: Option | str = "smart", sensitive: Iterable[str] = ()) -> Show:
    """The function that shows values, decided once.

    Args:
        option: `smart` calls no code of the program's. `repr` goes into lists, tuples, sets and
            dicts itself, 500 values in all, and calls `repr` of everything else. `json` does the
            same with dataclasses, models and named tuples too; what JSON has no form for is shown
            as by `smart`. A function of the value: its text is taken as it is, any other result
            as by `smart`; or such a function's dotted name, which is imported at the first value.
        sensitive: Names that are hidden beside the usual ones.

    Raises:
        ValueError: The option is none of these.
    """
    hides = hiding(sensitive)
    if option == "smart":
        return smart_hiding(hides)
    if option == "repr":
        return _guarded(lambda value, _: _Repr(hides).show(value, _DEPTH))
    if option == "json":
        return _guarded(lambda value, _: _Json(hides).encode(value))
    if isinstance(option, str) and "." in option:
        option = by_name(option)
    if callable(option):
        return _guarded(_calling(option, hides))
    raise ValueError(
        f'serializer={option!r}: use "smart", "repr", "json" or a function of the value'
    )


def _guarded(show: Show) -> Show:
    """`show`, cut, and without its exceptions."""

    def guarded(value: Any, length: int) -> Any:
        try:
            shown = show(value, length)
        except BaseException as error:
            if is_hosts(error):
                raise
            return f"<{type_name(type(value))}>"
        return shown[:length] + "…" if type(shown) is str and len(shown) > length + 1 else shown

    return guarded


def _calling(function: Callable[[Any], Any], hides: Hides) -> Show:
    in_text, otherwise = text_hides(hides), smart_hiding(hides)

    def call(value: Any, length: int) -> Any:
        shown = function(value)
        if type(shown) is str:
            return redact_and_cut(shown, length, in_text)
        return otherwise(shown, length)

    return call


class _Bounded:
    """A walk over one value that ends after so many values inside it."""

    def __init__(self, hides: Hides) -> None:
        self.hides = hides
        self.in_text = text_hides(hides)
        self.left = _MOST_VALUES
        self.smart = smart_hiding(hides)

    def take(self, members: Iterable[Any]) -> list[Any]:
        taken = list(islice(members, min(max(self.left, 0), _MOST_MEMBERS)))
        self.left -= len(taken)
        return taken

    def is_hidden(self, taken: list[Any], place: int, whole: Any) -> bool:
        """Whether a member is a secret, by the one before it."""
        if place == 0 or type(whole) in (set, frozenset):
            return False
        return hides_next(taken[place - 1], taken[place], len(whole), self.hides)

    def text(self, value: str) -> str:
        return redact_and_cut(value, _LONGEST, self.in_text)


class _Repr(_Bounded):
    def show(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _NUMBERS:
            # Bare numbers stay numbers; inside others all is text.
            return smart(value) if depth == _DEPTH else str(smart(value))
        if kind is str:
            return repr(self.text(value))
        if kind is bytes or kind is bytearray:
            shown = kind(redact_bytes(bytes(value[: 2 * _LONGEST]), _LONGEST, self.in_text))
            return repr(shown) + ("…" if len(value) > _LONGEST else "")
        if kind in _BRACKETS:
            return self._members(value, kind, depth)
        return self.text(repr(value))

    def _members(self, value: Any, kind: type, depth: int) -> str:
        opening, closing = _BRACKETS[kind]
        if not value and kind in (set, frozenset):
            return f"{kind.__name__}()"
        if depth <= 0:
            return f"{opening}...{closing}"
        if kind is dict:
            shown = [self._pair(key, item, depth) for key, item in self.take(value.items())]
        else:
            taken = self.take(value)
            shown = [
                MARK if self.is_hidden(taken, place, value) else str(self.show(item, depth - 1))
                for place, item in enumerate(taken)
            ]
        if len(value) > len(shown):
            shown.append(f"+{len(value) - len(shown):,} more")
        comma = "," if kind is tuple and len(value) == 1 else ""
        return f"{opening}{', '.join(shown)}{comma}{closing}"

    def _pair(self, key: Any, value: Any, depth: int) -> str:
        text = MARK if hides_key(key, value, self.hides) else self.show(value, depth - 1)
        return f"{self.show(key, depth - 1)}: {text}"


class _Json(_Bounded):
    def encode(self, value: Any) -> Any:
        if type(value) in _NUMBERS and value is not None:
            return smart(value)
        return msgspec.json.encode(self.plain(value, _DEPTH)).decode()

    def plain(self, value: Any, depth: int) -> Any:
        """The value of types that JSON has a form for."""
        kind = type(value)
        if kind is str:
            return self.text(value).encode("utf-8", "replace").decode()
        if kind in _NUMBERS:
            return None if value is None else smart(value)
        if kind in _WRITTEN:
            return value
        if kind is dict:
            pairs: Any = value.items()
        else:
            pairs = fields_of(value, kind)
        if depth <= 0 or (pairs is None and kind not in _BRACKETS):
            return self.smart(value, _LONGEST)
        if pairs is None:
            taken = self.take(value)
            more = [f"+{len(value) - len(taken):,} more"] if len(value) > len(taken) else []
            return [
                MARK if self.is_hidden(taken, place, value) else self.plain(item, depth - 1)
                for place, item in enumerate(taken)
            ] + more
        shown = {}
        for key, item in self.take(pairs):
            hidden = hides_key(key, item, self.hides)
            name = key if type(key) is str else str(self.smart(key, _LONGEST_KEY))
            shown[self.plain(name, 0)] = MARK if hidden else self.plain(item, depth - 1)
        if kind is dict and len(value) > len(shown):
            shown["…"] = f"+{len(value) - len(shown):,} more"
        return shown
