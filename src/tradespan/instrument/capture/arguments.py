"""The arguments of a call, captured before the body runs (bodies change their arguments).

What can be known from the signature is decided once: which parameter stands where, which one is the
receiver, whose name says that it holds a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from tradespan.instrument.capture.redact import MARK, is_sensitive
from tradespan.instrument.capture.serialize import smart

_VARARGS, _VARKEYWORDS = 0x04, 0x08
_ABSENT = object()


class Signature:
    """Where each parameter of a function stands."""

    def __init__(self, function: FunctionType) -> None:
        code: CodeType = function.__code__
        positional, keyword = code.co_argcount, code.co_kwonlyargcount
        names = list(code.co_varnames[: positional + keyword])
        self.positional = positional
        self.receiver = int(bool(names[:positional]) and names[0] in ("self", "cls"))
        """1 if the first parameter is the receiver of a method, which is not captured."""
        following = iter(code.co_varnames[positional + keyword :])
        self.rest = next(following) if code.co_flags & _VARARGS else ""
        self.keywords = next(following) if code.co_flags & _VARKEYWORDS else ""
        self.names: tuple[str, ...] = (
            *names[self.receiver :],
            *filter(None, (self.rest, self.keywords)),
        )
        """Names of what is captured, in the order of the captured list."""
        self.place = {name: place for place, name in enumerate(self.names)}
        self.sensitive = frozenset(
            place for name, place in self.place.items() if is_sensitive(name)
        )

    def pick(self, name: str) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
        """How to get the parameter `name` out of a call; raises KeyError if it has no such."""
        if name == "self" and self.receiver:
            return lambda args, kwargs: args[0]
        place = self.place[name]
        index = place + self.receiver
        if index >= self.positional:
            return lambda args, kwargs: kwargs[name]
        return lambda args, kwargs: args[index] if index < len(args) else kwargs[name]


def argument_capture(
    signature: Signature, length: int
) -> Callable[[tuple[Any, ...], dict[str, Any]], list[Any]]:
    """A function that serializes a call's arguments by the order of `signature.names`."""
    receiver, positional, sensitive = signature.receiver, signature.positional, signature.sensitive

    def capture_any(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        values: list[Any] = [_ABSENT] * len(signature.names)
        values[: min(len(args), positional) - receiver] = args[receiver:positional]
        if signature.rest and len(args) > positional:
            values[signature.place[signature.rest]] = args[positional:]
        unnamed = {}
        for name, value in kwargs.items():
            place = signature.place.get(name)
            if place is None or name in (signature.rest, signature.keywords):
                unnamed[name] = value
            else:
                values[place] = value
        if unnamed and signature.keywords:
            values[signature.place[signature.keywords]] = unnamed
        captured = [None if value is _ABSENT else smart(value, length) for value in values]
        for place in sensitive:
            if captured[place] is not None:
                captured[place] = MARK
        return captured

    if sensitive or not positional:
        return capture_any

    def capture(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        if kwargs or len(args) > positional:
            return capture_any(args, kwargs)
        return [smart(value, length) for value in args[receiver:]]

    return capture
