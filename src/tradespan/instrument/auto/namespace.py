"""The script itself: its functions are watched as they are defined.

A module's top-level code stores its names into the mapping it is executed with. This one writes
through to the module's own dict and wraps functions and classes on the way, so that whatever the
script does with them afterwards, it does with the watched ones.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from types import FunctionType
from typing import Any

from tradespan.core.guard import guarded
from tradespan.instrument.auto.patch import Patcher


class WatchingNamespace(MutableMapping[str, Any]):
    """The locals that a script's code is executed with; its globals are the module's dict."""

    def __init__(self, namespace: dict[str, Any], patcher: Patcher, known_as: str) -> None:
        self._namespace = namespace
        self._patcher = patcher
        self._known_as = known_as

    def __setitem__(self, name: str, value: Any) -> None:
        self._namespace[name] = value
        if getattr(value, "__module__", None) != self._namespace.get("__name__"):
            return
        with guarded("watching the script"):
            if isinstance(value, FunctionType):
                known_as = f"{self._known_as}.{value.__qualname__}"
                watched = self._patcher.watched(value, known_as)
                if watched is not None:
                    self._namespace[name] = watched
            elif isinstance(value, type):
                self._patcher.patch_class(value, self._known_as)

    def __getitem__(self, name: str) -> Any:
        return self._namespace[name]

    def __delitem__(self, name: str) -> None:
        del self._namespace[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._namespace)

    def __len__(self) -> int:
        return len(self._namespace)
