"""Modules imported later: patched when their code has run.

The finder asks the others for the module's spec and lets a loader stand before the real one for the
one call that runs the module's code; before it does, the real loader is put back, so that nobody
sees ours. A module whose import fails, fails as it would have without us.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import LazyLoader
from types import FunctionType, ModuleType
from typing import Any

from tradespan.core.guard import guarded

Patch = Callable[[ModuleType], None]
"""Told of a module that was imported."""


_MOST_MOVES = 20


class WatchingFinder(MetaPathFinder):
    """First on `sys.meta_path`; only looks at modules that a pattern may select."""

    def __init__(
        self,
        may_select_in: Callable[[str], bool],
        patch: Patch,
        look_again: Callable[[], object] = lambda: None,
    ) -> None:
        """`look_again`: patches what came while another hook stood before this one."""
        self._may_select_in = may_select_in
        self._patch = patch
        self._look_again = look_again
        self._asking: set[tuple[int, str]] = set()
        self._passed: list[ModuleType] = []
        """Modules that another hook found, and whose code was still running when that was seen."""
        self._moves = 0

    def stand_first(self) -> None:
        """Be asked before all others."""
        path = sys.meta_path
        path.insert(0, self)
        if self in path[1:]:
            del path[path.index(self, 1)]

    def step_back(self) -> None:
        """Be asked no more."""
        self._passed.clear()
        self._moves = 0
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the finders after this one give, its loader replaced for once."""
        if self._passed or self._is_overtaken():
            with guarded("standing first"):
                self._catch_up()
        question = (threading.get_ident(), fullname)
        # Other hooks ask all finders as well: the one that is asked while it asks has no answer.
        if question in self._asking or not self._may_select_in(fullname):
            return None
        self._asking.add(question)
        try:
            spec = self._ask_others(fullname, path, target)
        finally:
            self._asking.discard(question)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = OnceLoader(spec.loader, self._patch)  # type: ignore[assignment]
        return spec

    def _is_overtaken(self) -> bool:
        """Whether a hook that is not of this kind is asked before."""
        for finder in sys.meta_path:
            if type(finder) is not WatchingFinder:
                return self in sys.meta_path
            if finder is self:
                return False
        return False

    def _catch_up(self) -> None:
        """Stand first again, and see to the modules that were found without this finder.

        Hooks that put themselves first (pytest's, type checkers') find their modules alone. This is
        the next import that reaches us; theirs may be in the middle of running.
        """
        passed, self._passed = self._passed, []
        # Another one that insists on being first is let be after a while.
        if self._is_overtaken() and self._moves < _MOST_MOVES:
            self._moves += 1
            self.stand_first()
            passed = [module for name, module in list(sys.modules.items())
                      if self._may_select_in(name) and is_running(module)]  # fmt: skip
            self._look_again()
        for module in passed:
            if is_running(module):
                self._passed.append(module)
            else:
                self._patch(module)

    def _ask_others(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        finders = list(sys.meta_path)
        place = finders.index(self) if self in finders else -1
        for finder in finders[place + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                return spec
        return None


class OnceLoader:
    """Stands before a module's loader until the module's code runs.

    Who looks at it (`importlib.util.find_spec`) sees the real one: its class, its attributes, and
    itself when it is copied or pickled.
    """

    def __init__(self, real: Any, patch: Patch) -> None:
        self._real = real
        self._patch = patch

    @property
    def __class__(self) -> Any:
        return type(self._real)

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise TypeError("the class of a loader cannot be changed")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _itself, (self._real,)

    def __eq__(self, other: object) -> bool:
        return bool(self._real == (other._real if type(other) is OnceLoader else other))

    def __hash__(self) -> int:
        return hash(self._real)

    def __repr__(self) -> str:
        return repr(self._real)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the real loader does; it must not see ours in the spec."""
        spec.loader = self._real
        create = getattr(self._real, "create_module", None)
        module: ModuleType | None = None if create is None else create(spec)
        spec.loader = self  # type: ignore[assignment]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code by the real loader, then patch the module."""
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._real
        module.__loader__ = self._real
        self._real.exec_module(module)
        if type(self._real) is LazyLoader:
            if spec is not None:  # its code has not run: that is for the loader behind it to do
                spec.loader = OnceLoader(spec.loader, self._patch)  # type: ignore[assignment]
            return
        with guarded(f"watching {module.__name__}"):
            self._patch(module)


def is_running(module: Any) -> bool:
    """Whether a module is in the middle of its import."""
    if not issubclass(type(module), ModuleType):
        return False
    spec = ModuleType.__getattribute__(module, "__dict__").get("__spec__")
    return bool(getattr(spec, "_initializing", False))


def real_loader(spec: ModuleSpec) -> Any:
    """The loader of a spec, also while ours stands before it."""
    loader: Any = spec.loader
    return loader._real if type(loader) is OnceLoader else loader  # noqa: SLF001 - it is of this file


def _itself(loader: Any) -> Any:
    return loader


def _belongs_to_importlib(function: FunctionType) -> None:
    """Let a function's frames pass for the import system's own.

    Python leaves those out of tracebacks, and `warnings.warn(…, stacklevel=2)` at a module's top
    passes over them to reach the line that imports it. One of ours in between would be in the way.
    """
    function.__code__ = function.__code__.replace(
        co_filename="<frozen importlib._bootstrap_external>"
    )


_belongs_to_importlib(OnceLoader.exec_module)  # type: ignore[arg-type]
