"""Modules imported later: patched when their code has run.

The finder asks the others for the module's spec and lets a loader stand before the real one for the
one call that runs the module's code; before it does, the real loader is put back, so that nobody sees
ours. A module whose import fails, fails as it would have without us.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from tradespan.core.guard import guarded


class WatchingFinder(MetaPathFinder):
    """First on `sys.meta_path`; only looks at modules that a pattern may select."""

    def __init__(
        self, may_select_in: Callable[[str], bool], patch: Callable[[ModuleType], None]
    ) -> None:
        self._may_select_in = may_select_in
        self._patch = patch

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders give, its loader replaced for once."""
        if not self._may_select_in(fullname):
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(fullname, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _OnceLoader(spec.loader, self._patch)
                return spec
        return None


class _OnceLoader(Loader):
    """Stands before a module's loader until the module's code runs."""

    def __init__(self, real: Any, patch: Callable[[ModuleType], None]) -> None:
        self._real = real
        self._patch = patch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the real loader does; it must not see ours in the spec."""
        spec.loader = self._real
        create = getattr(self._real, "create_module", None)
        module: ModuleType | None = None if create is None else create(spec)
        spec.loader = self
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code by the real loader, then patch the module."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        module.__loader__ = self._real
        self._real.exec_module(module)
        with guarded(f"watching {module.__name__}"):
            self._patch(module)
