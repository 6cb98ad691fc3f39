"""What `tradespan.instrument` asks for: functions inside a module, a class, or one function."""

from __future__ import annotations

import difflib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any

from tradespan.core import guard
from tradespan.core.errors import InvalidPattern, TargetNotFound
from tradespan.instrument.auto.finder import is_running
from tradespan.instrument.auto.names import OURSELVES, Selection, dotted_prefixes, names_match
from tradespan.instrument.auto.patch import module_of, names_in_class, namespace_of, qualname_of
from tradespan.instrument.options import Watch

_WORD = re.compile(r"\w+")


class Within(Selection):
    """A selection inside one module, package or class, with options of its own."""

    tells_unused = False  # excludes of code are often said by habit: `test_`, `_helper`

    def __init__(
        self,
        name: str,
        include: re.Pattern[str],
        exclude: Sequence[re.Pattern[str]] = (),
        options: Mapping[str, Any] | None = None,
        *,
        by_last_part: bool = False,
    ) -> None:
        """Select what lies inside `name`.

        Args:
            name: Dotted.
            include: As everywhere; where `by_last_part`, also what is found in a name's last part.
            exclude: A plain word excludes the names whose last part contains it.
            options: Fields of `Watch`: they count more than the settings'.
            by_last_part: Whether all patterns look into the last part of names as well.

        Raises:
            ValueError: An option is out of range.
        """
        super().__init__([include], exclude)
        self.options = dict(options or {})
        Watch(**self.options)
        self._name = name
        self._searching = {each for each in exclude if _WORD.fullmatch(each.pattern)}
        if by_last_part:
            self._searching |= {include, *exclude}

    def choosing(self, *names: str) -> list[re.Pattern[str]]:
        """None outside of the target."""
        inside = any(self._name in dotted_prefixes(name) for name in names)
        return [each for each in self.include if inside and self._matches(each, names)]

    def excluding(self, *names: str) -> re.Pattern[str] | None:
        """The first pattern that excludes a function that goes by these names."""
        return next((each for each in self.exclude if self._matches(each, names)), None)

    def picks(self, *names: str) -> bool:
        """As `selects`, without counting."""
        return bool(self.choosing(*names)) and self.excluding(*names) is None

    def may_select_in(self, module: str) -> bool:
        """Whether a module lies inside the target, or the target in it."""
        return self._name in dotted_prefixes(module) or self._name.startswith(f"{module}.")

    def _matches(self, pattern: re.Pattern[str], names: Iterable[str]) -> bool:
        parts = [name.rpartition(".")[2] for name in names] if pattern in self._searching else ()
        return any(map(pattern.search, parts)) or names_match(pattern, names)


def compile_pattern(text: str, key: str) -> re.Pattern[str]:
    """A pattern given in code.

    Raises:
        InvalidPattern: It does not compile; the message points at the place.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidPattern(text, error.msg, error.pos, key, "argument") from error


def compile_all(texts: str | Iterable[str] | None, key: str) -> list[re.Pattern[str]]:
    """One pattern, or several.

    Raises:
        InvalidPattern: One does not compile.
    """
    return [compile_pattern(text, key) for text in ([texts] if type(texts) is str else texts or ())]


def name_of(target: Any) -> str:
    """The dotted name of what is to be watched.

    Raises:
        TypeError: It is nothing that has one.
        TargetNotFound: It is the name of something that its module, which is there, has not.
        ValueError: It is tradespan's own: watching it would not end.
    """
    name = _name_of(target)
    if name.partition(".")[0] == OURSELVES:
        raise ValueError(f"tradespan does not watch itself, as {name} asks: name what is yours")
    return name


def _name_of(target: Any) -> str:
    if isinstance(target, MethodType):
        target = target.__func__
    if isinstance(target, str):
        check_exists(target)
        return target
    if type(target) is FunctionType or isinstance(target, type):
        return f"{module_of(target)}.{qualname_of(target)}"
    if issubclass(type(target), ModuleType):
        return str(namespace_of(target)["__name__"])
    raise TypeError(
        "a module, a class, a function or the name of one is to be given, not an object of type "
        f"{type(target).__name__}; tradespan.monitor watches single objects"
    )


def check_exists(name: str) -> None:
    """Look for what a name names, as far as that needs no import.

    A package that is nowhere to be found is logged: it may come.

    Raises:
        TargetNotFound: A module that is there has no such part.
    """
    module_name = next((each for each in dotted_prefixes(name) if each in sys.modules), "")
    if not module_name:
        _check_package(name.partition(".")[0])
        return
    holder: Any = sys.modules[module_name]
    if not issubclass(type(holder), ModuleType) or _is_made_on_demand(holder):
        return
    names: Mapping[str, Any] = namespace_of(holder)
    for part in name.removeprefix(module_name).split(".")[1:]:
        if part not in names:
            if _is_module(holder, part):
                return
            known = [each for each in names if type(each) is str and not each.startswith("__")]
            near = difflib.get_close_matches(part, known, n=1)
            path = name[: name.index(f".{part}")]
            raise TargetNotFound(
                name, "module, class or function", f"{path}.{near[0]}" if near else None
            )
        holder = names[part]
        if not issubclass(type(holder), type):
            return
        names = names_in_class(holder)


def _is_made_on_demand(module: ModuleType) -> bool:
    """Whether a module may have more than its names say: by `__getattr__`, or when it is loaded."""
    return (
        module is sys.modules.get("__main__")  # a script, which may still be defining it
        or type(module) is not ModuleType
        or "__getattr__" in namespace_of(module)
        or is_running(module)
    )


def _is_module(holder: Any, part: str) -> bool:
    if not issubclass(type(holder), ModuleType) or "__path__" not in namespace_of(holder):
        return False
    with guard.guarded("looking for a module"):
        return importlib.util.find_spec(f"{namespace_of(holder)['__name__']}.{part}") is not None
    return True


def _check_package(package: str) -> None:
    with guard.guarded("looking for a module"):
        if package and importlib.util.find_spec(package) is None:
            known = sorted({found.name for found in pkgutil.iter_modules()})
            near = difflib.get_close_matches(package, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            guard.logger.warning(
                "there is no module %s: it is watched if it comes%s", package, hint
            )
