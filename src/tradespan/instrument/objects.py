"""Callables that are no functions: partials, instances with `__call__`, built-ins, descriptors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import wrapt

from tradespan.instrument.options import Watch
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.watch import can_watch, watch_function


def watch_any(target: Any, watch: Watch, slot: RecorderSlot) -> Any:
    """The watched twin of whatever can be called, or stands in a class in place of a function.

    Raises:
        TypeError: It cannot be called, or is a class.
    """
    # By `type`: a proxy says of itself to be what it stands for.
    if issubclass(type(target), FunctionType):
        return target if can_watch(target) is not None else watch_function(target, watch, slot)
    if issubclass(type(target), type):
        raise TypeError(
            f"@monitor: {target.__qualname__} is a class. Decorate its methods, or select them all "
            f"by name: tradespan.instrument({target.__module__!r}, include=r'.*')"
        )
    return _watch_object(target, watch, slot)


def _watch_object(target: Any, watch: Watch, slot: RecorderSlot) -> Any:
    kind = type(target)
    if issubclass(kind, staticmethod | classmethod):
        return type(target)(watch_any(target.__func__, watch, slot))
    if issubclass(kind, property) and target.fget is not None:
        fget = watch_any(target.fget, watch, slot)
        return type(target)(fget, target.fset, target.fdel, target.__doc__)
    if issubclass(kind, functools.cached_property):
        return type(target)(watch_any(target.func, watch, slot))
    if kind in (functools.partial, functools.partialmethod):
        watched = watch_any(target.func, watch, slot)
        return kind(watched, *target.args, **target.keywords)
    if not callable(target):
        raise TypeError(f"@monitor: {target!r} cannot be called")
    if type(target) is WatchedCallable:
        return target
    return WatchedCallable(target, watch_function(_as_function(target), watch, slot))


def _as_function(target: Any) -> Any:
    """A function that calls an object; its own `__call__`, where that is one."""
    method = getattr(type(target), "__call__", None)  # noqa: B004 - the class's, not the instance's
    if isinstance(method, FunctionType) and not hasattr(type(target), "__get__"):
        return method

    # The receiver is not captured.
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self(*args, **kwargs)

    named = target if hasattr(target, "__qualname__") else type(target)
    for attribute in ("__module__", "__qualname__", "__name__", "__doc__"):
        setattr(call, attribute, getattr(named, attribute, None) or "")
    return call


class WatchedCallable(wrapt.CallableObjectProxy[Any]):
    """An object whose calls are recorded; everything else is its own."""

    def __init__(self, target: Any, call: Callable[..., Any]) -> None:
        super().__init__(target)
        self._self_call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._self_call(self.__wrapped__, *args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """In a class: what the object becomes there (a method of an `lru_cache`, say), watched."""
        bind = getattr(type(self.__wrapped__), "__get__", None)
        bound = self.__wrapped__ if bind is None else bind(self.__wrapped__, instance, owner)
        return self if bound is self.__wrapped__ else WatchedCallable(bound, self._self_call)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)
