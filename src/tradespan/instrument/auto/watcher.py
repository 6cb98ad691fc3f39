"""Who is watched in this process: patterns of settings and code, in force until removed."""

from __future__ import annotations

import re
import sys
from collections.abc import MutableMapping
from types import FunctionType, ModuleType
from typing import Any

from tradespan.config import Config, InstrumentRule
from tradespan.core import guard
from tradespan.core.errors import InvalidPattern
from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.instrument.auto.finder import WatchingFinder
from tradespan.instrument.auto.governor import GOVERNOR
from tradespan.instrument.auto.inplace import Twin
from tradespan.instrument.auto.names import Selection, dotted_prefixes, names_match, script_name
from tradespan.instrument.auto.namespace import WatchingNamespace
from tradespan.instrument.auto.patch import Patcher, Report, namespace_of
from tradespan.instrument.fields import fields_of
from tradespan.instrument.options import Capture, Field, Watch

_MAIN = "__main__"


class Watcher:
    """Regex instrumentation of one process."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._selections: list[Selection] = []
        self._patcher = Patcher(self._selects, self._is_named, self._twin)
        self._finder = WatchingFinder(self._may_select_in, self._patch_imported)
        self._script = ""
        """The name that the script's functions go by, once it is known."""

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

    def instrument(self, target: Any, include: str | None, exclude: str | None) -> list[str]:
        """`tradespan.instrument`; returns the names that it selects now."""
        name = _name_of(target)
        wanted = _compile(include, "include") if include else re.compile(re.escape(name))
        unwanted = [_compile(exclude, "exclude")] if exclude else []
        before = set(self.report.watched)
        self._selections.append(_Within(name, wanted, unwanted))
        self._patch_what_is_imported()
        return [name for name in self.report.watched if name not in before]

    def script_namespace(
        self, namespace: dict[str, Any], known_as: str
    ) -> MutableMapping[str, Any]:
        """What to execute a script's code with, so that its functions are watched as defined.

        `known_as`: the script's name in patterns and spans; `__main__.…` names it as well.
        """
        self._script = known_as
        return WatchingNamespace(namespace, self._patcher, known_as)

    def unmatched(self) -> list[str]:
        """A sentence for each pattern that has selected nothing, with near names."""
        said = []
        for selection in self._selections:
            for pattern, count in selection.matched.items():
                if count == 0:
                    near = selection.hints(pattern)
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

    def _patch_what_is_imported(self) -> None:
        if not self._selections:
            return
        if self._finder not in sys.meta_path:
            sys.meta_path.insert(0, self._finder)
        for name, module in list(sys.modules.items()):
            if issubclass(type(module), ModuleType):
                with guard.guarded(f"watching {name}"):
                    self._patch(module, name)

    def _patch(self, module: ModuleType, name: str) -> None:
        if name == _MAIN:
            # A script that configures tradespan itself; under `tradespan run` it has no code yet.
            self._script = self._script or script_name(namespace_of(module))
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
        script = self._script
        if not script or not name.startswith(f"{script}."):
            return (name,)
        rest = name[len(script) :]
        names = (name, f"{_MAIN}{rest}")
        package = script.removesuffix(f".{_MAIN}")
        return names if package == script else (*names, f"{package}{rest}")

    def _is_named(self, identifier: str) -> bool:
        return any(selection.names(identifier) for selection in self._selections)

    def _patch_imported(self, module: ModuleType) -> None:
        self._patcher.patch_module(module, module.__name__)

    # ── watching ────────────────────────────────────────────────────────────────────────────────

    def _twin(self, function: FunctionType, name: str) -> Twin:
        return Twin(function, name, self._watch, on_call=GOVERNOR.meet)

    def _watch(self, name: str) -> Watch:
        """The options of a function, from the first table of the settings that names it."""
        config = self._config
        if config is None:
            return Watch(process_group=_group_of(name))
        names = self._names_of(name)
        rule = next((r for r in config.instrument if names_match(r.pattern, names)), None)
        maps = [r for r in config.map if names_match(r.function, names)]
        fields: list[Field] = [field for mapped in maps for field in fields_of(mapped)]
        attributes = {TRADESPAN_SIGNAL: maps[0].signal} if maps else {}
        return Watch(
            process_group=(rule.process_group if rule else None) or _group_of(name),
            attributes=attributes,
            capture=_capture(config, rule),
            max_repr=config.capture.max_repr,
            fields=tuple(fields),
            **_options(rule),
        )


class _Within(Selection):
    """A selection inside one module or package."""

    def __init__(self, name: str, include: re.Pattern[str], exclude: list[re.Pattern[str]]) -> None:
        super().__init__([include], exclude)
        self._name = name

    def selects(self, *names: str) -> bool:
        inside = any(self._name in dotted_prefixes(name) for name in names)
        return inside and super().selects(*names)

    def may_select_in(self, module: str) -> bool:
        return self._name in dotted_prefixes(module) or self._name.startswith(f"{module}.")


def _name_of(target: Any) -> str:
    if isinstance(target, type | FunctionType):
        return f"{target.__module__}.{target.__qualname__}"
    return target.__name__ if isinstance(target, ModuleType) else str(target)


def _compile(text: str, key: str) -> re.Pattern[str]:
    """A pattern given in code.

    Raises:
        InvalidPattern: It does not compile; the message points at the place.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidPattern(text, error.msg, error.pos, key, "argument") from error


def _capture(config: Config, rule: InstrumentRule | None) -> Capture:
    args, result = config.capture.args, config.capture.result
    if rule is not None and rule.capture_args is not None:
        args = rule.capture_args
    if rule is not None and rule.capture_result is not None:
        result = rule.capture_result
    return Capture(args, result)


def _options(rule: InstrumentRule | None) -> dict[str, Any]:
    """What a table says of how calls are kept."""
    if rule is None:
        return {}
    return {
        "sample_rate": 1.0 if rule.sample_rate is None else rule.sample_rate,
        "min_duration": rule.min_duration,
        "durable": rule.durable,
    }


def _group_of(name: str) -> str:
    """Without a table that says: the module's last part, `bot.risk.check` → `risk`."""
    parts = [part for part in name.split(".") if part != _MAIN]
    lower = [part for part in parts[:-1] if part[:1].islower() or part[:1] == "_"]
    return lower[-1] if lower else parts[0]


WATCHER = Watcher()
"""The process's own."""
