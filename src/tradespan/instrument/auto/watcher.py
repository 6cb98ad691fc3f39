"""Who is watched in this process: patterns from the settings and from code, in force until removed."""

from __future__ import annotations

import re
import sys
from collections.abc import MutableMapping
from types import FunctionType, ModuleType
from typing import Any

from tradespan.config import Config, InstrumentRule
from tradespan.core import guard
from tradespan.core.errors import InvalidPattern
from tradespan.instrument.auto.finder import WatchingFinder
from tradespan.instrument.auto.names import Selection, dotted_prefixes
from tradespan.instrument.auto.namespace import WatchingNamespace
from tradespan.instrument.auto.patch import Patcher, Report
from tradespan.instrument.fields import fields_of
from tradespan.instrument.options import Capture, Field, Watch
from tradespan.instrument.recorder import SLOT
from tradespan.instrument.watch import watch_function


class Watcher:
    """Regex instrumentation of one process."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._selections: list[Selection] = []
        self._patcher = Patcher(self._selects, self._wrap)
        self._finder = WatchingFinder(self._may_select_in, self._patch_imported)
        self._script_names: tuple[str, ...] = ()

    @property
    def report(self) -> Report:
        """What is watched, what is not and why."""
        return self._patcher.report

    def apply(self, config: Config) -> None:
        """Watch what the settings name, imported already or later."""
        self._config = config
        patterns = [*config.include, *(rule.pattern for rule in config.instrument)]
        if patterns:
            self._select(Selection(tuple(dict.fromkeys(patterns)), config.exclude))

    def instrument(self, target: Any, include: str | None, exclude: str | None) -> list[str]:
        """`tradespan.instrument`; returns the names that it selects now."""
        name = target.__name__ if isinstance(target, ModuleType) else str(target)
        within = re.escape(name) + r"\..*"
        wanted = compile_pattern(include) if include else re.compile(within)
        unwanted = [compile_pattern(exclude)] if exclude else []
        before = set(self.report.watched)
        self._select(_Within(name, wanted, unwanted))
        return [name for name in self.report.watched if name not in before]

    def script_namespace(
        self, namespace: dict[str, Any], known_as: str
    ) -> MutableMapping[str, Any]:
        """What to execute a script's code with, so that its functions are watched as defined.

        `known_as`: the script's name in patterns and spans; `__main__.…` names it as well.
        """
        return WatchingNamespace(namespace, self._patcher, known_as)

    def name_script(self, known_as: str) -> None:
        """Let patterns name the script's functions by `__main__.` as well."""
        self._script_names = (known_as,)

    def watch_namespace(self, namespace: dict[str, Any], known_as: str) -> None:
        """Watch the functions of a script that ran already (multiprocessing's spawn)."""
        through = self.script_namespace(namespace, known_as)
        for name, value in list(namespace.items()):
            through[name] = value

    def warn_of_unmatched(self) -> list[str]:
        """A sentence for each pattern that has selected nothing, with near names."""
        said = []
        for selection in self._selections:
            for pattern, count in selection.matched.items():
                if count == 0:
                    near = selection.hints(pattern, self.report.skipped)
                    hint = f"; near names: {', '.join(near)}" if near else ""
                    said.append(f"the pattern {pattern.pattern!r} matched no function{hint}")
        return said

    def remove(self) -> None:
        """Put everything back as it was."""
        self._selections.clear()
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        self._patcher.restore()
        self._config = None

    # ── selecting ───────────────────────────────────────────────────────────────────────────────

    def _select(self, selection: Selection) -> None:
        self._selections.append(selection)
        if self._finder not in sys.meta_path:
            sys.meta_path.insert(0, self._finder)
        for name, module in list(sys.modules.items()):
            if isinstance(module, ModuleType) and name != "__main__":
                if selection.may_select_in(name):
                    with guard.guarded(f"watching {name}"):
                        self._patcher.patch_module(module)
        self._patcher.patch_aliases()

    def _may_select_in(self, module: str) -> bool:
        return any(selection.may_select_in(module) for selection in self._selections)

    def _selects(self, name: str) -> bool:
        names = [name]
        for script in self._script_names:
            if name.startswith(f"{script}."):
                names.append(f"__main__{name[len(script):]}")
        return any(selection.selects(n) for selection in self._selections for n in names)

    def _patch_imported(self, module: ModuleType) -> None:
        self._patcher.patch_module(module)

    # ── wrapping ────────────────────────────────────────────────────────────────────────────────

    def _wrap(self, function: FunctionType, name: str) -> FunctionType:
        return watch_function(function, self._watch(name), SLOT, alias=name)

    def _watch(self, name: str) -> Watch:
        """The options of a function, from the first table of the settings that names it."""
        config = self._config
        if config is None:
            return Watch()
        rule = next((r for r in config.instrument if _names(r.pattern, name)), None)
        maps = [r for r in config.map if _names(r.function, name)]
        fields: list[Field] = [field for mapped in maps for field in fields_of(mapped)]
        attributes = {"tradespan.signal": maps[0].signal} if maps else {}
        return Watch(
            process_group=(rule.process_group if rule else None) or _group_of(name),
            attributes=attributes,
            capture=_capture(config, rule),
            max_repr=config.capture.max_repr,
            fields=tuple(fields),
        )


class _Within(Selection):
    """A selection inside one module or package."""

    def __init__(
        self, name: str, include: re.Pattern[str], exclude: list[re.Pattern[str]]
    ) -> None:
        super().__init__([include], exclude)
        self._name = name

    def selects(self, name: str) -> bool:
        return self._name in dotted_prefixes(name) and super().selects(name)

    def may_select_in(self, module: str) -> bool:
        return self._name in dotted_prefixes(module)


def compile_pattern(text: str) -> re.Pattern[str]:
    """A pattern given in code.

    Raises:
        InvalidPattern: It does not compile; the message points at the place.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidPattern(text, error.msg, error.pos, "include", "argument") from error


def _names(pattern: re.Pattern[str], name: str) -> bool:
    return any(pattern.fullmatch(prefix) for prefix in dotted_prefixes(name))


def _capture(config: Config, rule: InstrumentRule | None) -> Capture:
    args, result = config.capture.args, config.capture.result
    if rule is not None and rule.capture_args is not None:
        args = rule.capture_args
    if rule is not None and rule.capture_result is not None:
        result = rule.capture_result
    return Capture(args, result)


def _group_of(name: str) -> str:
    """Without a table that says: the module's last part, `bot.risk.check` → `risk`."""
    parts = name.split(".")
    lower = [part for part in parts[:-1] if part[:1].islower() or part[:1] == "_"]
    return lower[-1] if lower else parts[0]


WATCHER = Watcher()
"""The process's own."""
