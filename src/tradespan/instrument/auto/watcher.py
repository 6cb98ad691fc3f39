"""Who is watched in this process: patterns of settings and code, in force until removed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from types import FunctionType, ModuleType
from typing import Any

from tradespan.config import Config
from tradespan.core import guard
from tradespan.instrument.auto.finder import WatchingFinder
from tradespan.instrument.auto.governor import GOVERNOR
from tradespan.instrument.auto.inplace import Twin
from tradespan.instrument.auto.names import OURSELVES, Selection, all_names, script_name
from tradespan.instrument.auto.namespace import WatchingNamespace
from tradespan.instrument.auto.patch import Found, Patcher, Report, module_of, namespace_of
from tradespan.instrument.auto.remarks import remarks
from tradespan.instrument.auto.rulebook import watch_by
from tradespan.instrument.auto.within import Within, compile_all, compile_pattern, name_of
from tradespan.instrument.options import Watch
from tradespan.instrument.recorder import SLOT

_MAIN = "__main__"


class Watcher:
    """Regex instrumentation of one process."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._selections: list[Selection] = []
        self._patcher = Patcher(self._selects, self._is_named, self._twin)
        self._finder = WatchingFinder(
            self._may_select_in, self._patch_imported, self._patch_what_is_imported
        )
        self._on_call, self._on_gone = GOVERNOR.meet, self._patcher.drop
        self._script = ""
        """The name that the script's functions go by, once it is known."""
        self._may_sample = False
        """`_samples`, as it was when patterns were given last: asked for each function."""

    @property
    def report(self) -> Report:
        """What is watched, what is not and why."""
        return self._patcher.report

    def apply(self, config: Config) -> None:
        """Watch what the settings name, imported already or later."""
        self._config = config
        if self._selections:  # made by `instrument` before there were settings: once more, by them
            self._patcher.restore()
        patterns = [*config.include, *(rule.pattern for rule in config.instrument)]
        if patterns:
            self._selections.append(Selection(tuple(dict.fromkeys(patterns)), config.exclude))
        self._patch_what_is_imported()

    def instrument(
        self,
        target: Any,
        include: str | None = None,
        exclude: str | Iterable[str] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        by_last_part: bool = False,
    ) -> list[str]:
        """`tradespan.instrument`; returns the names that it selects and that are watched now.

        Raises:
            InvalidPattern: A pattern does not compile.
            TargetNotFound: The target's module is there, and has no such part.
            TypeError: The target is nothing that has a name.
            ValueError: An option is out of range, or the target is tradespan's own.
        """
        name = name_of(target)
        wanted = compile_pattern(include or re.escape(name), "include")
        unwanted = compile_all(exclude, "exclude")
        selection = Within(name, wanted, unwanted, options, by_last_part=by_last_part)
        self._selections.append(selection)

        def picks(name: str) -> bool:
            return selection.picks(*self._names_of(name))

        if selection.options:
            self._patcher.forget(picks)
        self._patch_what_is_imported()
        with guard.guarded(f"watching {name}"):  # it may be nowhere to be found by its name
            if type(target) is FunctionType:
                self._patcher.patch(Found(name, target))
            elif isinstance(target, type):
                self._patcher.patch_class(target, module_of(target))
        return [name for name in self.report.watched if picks(name)]

    def script_namespace(
        self, namespace: dict[str, Any], known_as: str
    ) -> MutableMapping[str, Any]:
        """What to execute a script's code with, so that its functions are watched as defined.

        `known_as`: the script's name in patterns and spans; `__main__.…` names it as well.
        """
        self._script = known_as
        return WatchingNamespace(namespace, self._patcher, known_as)

    def remarks(self) -> list[str]:
        """What there is to say at the end: which patterns watched nothing, and what was skipped."""
        return list(remarks(self._selections, self.report, self._names_of))

    def release(self) -> None:
        """Put everything back as it was, and watch nothing more, until something is named anew."""
        self._selections.clear()
        self._finder.step_back()
        self._patcher.restore()

    def remove(self) -> None:
        """Put everything back as it was, and forget the settings."""
        self.release()
        self._config = None

    # ── selecting ───────────────────────────────────────────────────────────────────────────────

    def _patch_what_is_imported(self) -> None:
        self._may_sample = self._samples()
        if not self._selections:
            return
        if self._finder not in sys.meta_path:
            self._finder.stand_first()
        for name, module in list(sys.modules.items()):
            if issubclass(type(module), ModuleType):
                with guard.guarded(f"watching {name}"):
                    self._patch(module, name)

    def _patch(self, module: ModuleType, name: str) -> None:
        if name == _MAIN:
            # A script that configures tradespan itself; under `tradespan run` it has no code yet.
            script = self._script or script_name(namespace_of(module))
            if script.partition(".")[0] == OURSELVES:
                return  # what starts the script, which is yet to come
            self._script = script
            if self._may_select_in(self._script) or self._may_select_in(_MAIN):
                self._patcher.patch_module(module, name, self._script)
        elif self._may_select_in(name):
            self._patcher.patch_module(module, name)

    def _may_select_in(self, module: str) -> bool:
        return any(selection.may_select_in(module) for selection in self._selections)

    def _selects(self, name: str) -> bool:
        names = self._names_of(name)
        # Each is asked: it counts what it selects.
        return sum(selection.selects(*names) for selection in self._selections) > 0

    def _names_of(self, name: str) -> tuple[str, ...]:
        """What a function goes by: a script's are `__main__.…` as well, a package's `package.…`."""
        return all_names(name, self._script)

    def _is_named(self, identifier: str) -> bool:
        return any(selection.names(identifier) for selection in self._selections)

    def _patch_imported(self, module: ModuleType) -> None:
        self._patcher.patch_module(module, module.__name__)

    # ── watching ────────────────────────────────────────────────────────────────────────────────

    def _twin(self, function: FunctionType, name: str) -> Twin:
        return Twin(
            function, name, self._watch, SLOT, self._on_call, self._on_gone,
            may_sample=self._may_sample,
        )  # fmt: skip

    def _samples(self) -> bool:
        """Whether the calls of any function are sampled, by tables or by code."""
        rules = () if self._config is None else self._config.instrument
        asked = (each.options for each in self._selections if isinstance(each, Within))
        return any(rule.sample_rate is not None for rule in rules) or any(
            "sample_rate" in options for options in asked
        )

    def _watch(self, name: str) -> Watch:
        names = self._names_of(name)
        asked = [
            each.options
            for each in self._selections
            if isinstance(each, Within) and each.options and each.picks(*names)
        ]
        return watch_by(self._config, names, asked)


WATCHER = Watcher()
"""The process's own."""
