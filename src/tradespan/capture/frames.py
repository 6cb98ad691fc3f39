"""Tracebacks as plain tuples, without the frames of our wrappers.

Two of the same: `Codes` of `native/frames.c`, and the one here.
"""

from __future__ import annotations

from types import CodeType, TracebackType
from typing import Any, Protocol

from tradespan.core import native

_MOST_CODES = 4_096

Place = tuple[str, int, str]
"""File, line, qualified name."""


class Codes(Protocol):
    """Code objects, by identity: the hash of one reads all that it consists of."""

    def add(self, code: CodeType, /) -> None:
        """Hold one more, until it is discarded."""
        ...

    def discard(self, code: CodeType, /) -> None:
        """Hold it no more, if it was held."""
        ...

    def __len__(self) -> int: ...

    def __contains__(self, code: object, /) -> bool: ...

    def frames(self, traceback: TracebackType | None, most: int, /) -> list[Any]:
        """A `Place` of each frame, outermost first, without those of the codes held.

        The middle of more than `most` is left out, and an entry in its place says how many. C
        leaves a file empty that is the one of the frame before: a record is half as long then.
        """
        ...


class _Places(dict[int, Place]):
    """The places of one code object that tracebacks have named, by line."""

    __slots__ = ("code",)

    def __init__(self, code: CodeType) -> None:
        super().__init__()
        self.code = code
        """Held, so that its id stays its own."""


class PureCodes:
    """The way in Python. What a traceback has named once is kept, and not made again."""

    def __init__(self) -> None:
        self._held: dict[int, CodeType] = {}
        self._known: dict[int, _Places] = {}

    def add(self, code: CodeType, /) -> None:
        self._held[id(code)] = code

    def discard(self, code: CodeType, /) -> None:
        self._held.pop(id(code), None)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, code: object, /) -> bool:
        return id(code) in self._held

    def frames(self, traceback: TracebackType | None, most: int, /) -> list[Any]:
        found: list[Any] = []
        known, held = self._known, self._held
        while traceback is not None:
            code = traceback.tb_frame.f_code
            places = known.get(id(code))
            if places is None:
                if id(code) in held:
                    traceback = traceback.tb_next
                    continue
                places = self._learn(code)
            line = traceback.tb_lineno
            try:
                found.append(places[line])
            except KeyError:
                place = places[line] = (code.co_filename, line, code.co_qualname)
                found.append(place)
            traceback = traceback.tb_next
        if len(found) > most:
            half = most // 2
            found[half : len(found) - half] = [("…", 0, f"{len(found) - most} more frames")]
        return found

    def _learn(self, code: CodeType) -> _Places:
        if len(self._known) >= _MOST_CODES:
            self._known.clear()
        places = self._known[id(code)] = _Places(code)
        return places


def _make() -> Codes:
    if native.module is None:
        return PureCodes()
    made: Codes = native.module.Codes()
    return made


own_code = _make()
"""Code of our wrappers: their frames are left out of what is captured."""
