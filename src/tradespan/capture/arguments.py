"""The arguments of a call, captured before the body runs (bodies change their arguments).

What can be known from the signature is decided once: which parameter stands where, which one is the
receiver, whose name says that it holds a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

from tradespan.capture.names import MARK, Hides, hiding, is_sensitive, judge_again
from tradespan.capture.serialize import smart
from tradespan.core import native

_VARARGS, _VARKEYWORDS = 0x04, 0x08
_ABSENT = object()

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]
Pick = Callable[[Arguments, Keywords], Any]


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
        self.sensitive: frozenset[int] = frozenset()
        """Places of parameters whose names say secret, by the settings in force."""
        self.judge()
        judge_again(self)
        self.by_keyword = {
            name: place
            for name, place in self.place.items()
            if name not in (self.rest, self.keywords)
            and place + self.receiver >= code.co_posonlyargcount
        }
        """Parameters that a keyword can name, and their places."""
        self._defaults = _defaults(function, names)

    def judge(self) -> None:
        """Find the sensitive parameters."""
        self.sensitive = self.places_of(is_sensitive)

    def places_of(self, hides: Hides) -> frozenset[int]:
        """Places of the parameters whose names are hidden."""
        return frozenset(place for name, place in self.place.items() if hides(name))

    def pick(self, name: str) -> Pick:
        """How to get the parameter `name` out of a call; its default if the call leaves it out.

        Raises:
            KeyError: The function has no such parameter, and no `**keywords` it could be one of.
        """
        if name == "self" and self.receiver:
            return lambda args, kwargs: args[0]
        if name == self.rest:
            return lambda args, kwargs: args[self.positional :]
        if name == self.keywords:
            return lambda args, kwargs: self.unnamed(kwargs)
        if name not in self.place and not self.keywords:
            raise KeyError(name)
        index = self.place.get(name, len(self.names)) + self.receiver
        default = self._defaults.get(name, _ABSENT)

        def pick(args: Arguments, kwargs: Keywords) -> Any:
            if index < self.positional and index < len(args):
                return args[index]
            value = kwargs.get(name, default)
            if value is _ABSENT:
                raise KeyError(name)
            return value

        return pick

    def place_arguments(self, args: Arguments, kwargs: Keywords) -> list[Any]:
        """A call's values in the order of `names`, `_ABSENT` where it brings none."""
        values: list[Any] = [_ABSENT] * len(self.names)
        given = args[self.receiver : self.positional]
        values[: len(given)] = given
        if self.rest and len(args) > self.positional:
            values[self.place[self.rest]] = args[self.positional :]
        for name, value in kwargs.items():
            place = self.by_keyword.get(name)
            if place is not None:
                values[place] = value
        if self.keywords and (unnamed := self.unnamed(kwargs)):
            values[self.place[self.keywords]] = unnamed
        return values

    def unnamed(self, kwargs: Keywords) -> Keywords:
        """The keywords that name no parameter: what `**keywords` receives."""
        return {name: value for name, value in kwargs.items() if name not in self.by_keyword}


def _defaults(function: FunctionType, names: list[str]) -> Keywords:
    positional = names[: function.__code__.co_argcount]
    given = function.__defaults__ or ()
    named = zip(positional[len(positional) - len(given) :], given, strict=True)
    return dict(named) | (function.__kwdefaults__ or {})


def argument_capture(
    signature: Signature,
    length: int,
    show: Callable[[Any, int], Any] = smart,
    sensitive: Iterable[str] = (),
) -> Callable[[Arguments, Keywords], list[Any]]:
    """A function that serializes a call's arguments by the order of `signature.names`.

    It never raises, whatever a call brings: a call that does not fit the signature is Python's to
    refuse, not ours.

    `show`: the serializer (`serializers.serializer`), which knows `sensitive` too: names that are
    hidden beside the usual ones.
    """
    receiver, positional = signature.receiver, signature.positional
    hidden = signature.places_of(hiding(sensitive)) if sensitive else frozenset()

    def capture_any(args: Arguments, kwargs: Keywords) -> list[Any]:
        values = signature.place_arguments(args, kwargs)
        secret = signature.sensitive | hidden
        return [
            None if value is _ABSENT else MARK if place in secret else show(value, length)
            for place, value in enumerate(values)
        ]

    if hidden or not positional:
        return capture_any

    def capture(args: Arguments, kwargs: Keywords) -> list[Any]:
        if kwargs or len(args) > positional or signature.sensitive:
            return capture_any(args, kwargs)
        return [show(value, length) for value in args[receiver:]]

    def capture_natively(args: Arguments, kwargs: Keywords) -> list[Any]:
        if kwargs or len(args) > positional or signature.sensitive:
            return capture_any(args, kwargs)
        shown: list[Any] = show_all(args, receiver, length, show)
        return shown

    if native.module is None or show is not smart:
        return capture
    show_all = native.module.show_all
    return capture_natively
