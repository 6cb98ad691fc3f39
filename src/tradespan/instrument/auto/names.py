"""Which names are meant.

A function's name is `module.qualname`. A pattern selects it if it matches the whole name or a
dotted prefix of it: a class selects its methods, a module its functions (DESIGN 4.12).
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

OURSELVES = "tradespan"
"""Never watched: recording would record itself."""
_OF_RECORDING = {"opentelemetry", "msgspec", "wrapt", "grpc"}
_OF_TESTS = {
    "pytest", "_pytest", "pluggy", "hypothesis", "_hypothesis_globals", "nose", "nose2", "xdist",
    "execnet", "coverage", "freezegun", "time_machine",
}  # fmt: skip
_OF_DEBUGGERS = {"pydevd", "_pydevd_bundle", "_pydev_bundle", "_pydev_runfiles", "debugpy"}
LEFT_ALONE = (
    sys.stdlib_module_names | _OF_RECORDING | _OF_TESTS | _OF_DEBUGGERS | frozenset({OURSELVES})
)
"""Packages that are never watched unless their name stands in a pattern: what recording itself
uses, test frameworks, debuggers, and Python's own library (`-i '.*'` means the user's code)."""
_MAIN = "__main__"
_MOST_NEAR = 5_000
"""Names kept for hints."""


def why_left_alone(package: str) -> str:
    """What a package is that is left alone; "" if it is not. `package`: a module's first part."""
    if package == OURSELVES:
        return "tradespan itself"
    if package in _OF_RECORDING:
        return "what recording uses"
    if package in _OF_TESTS or package.startswith("pytest_"):
        return "a test framework"
    if package in _OF_DEBUGGERS:
        return "a debugger"
    return "Python's own library" if package in LEFT_ALONE else ""


def dotted_prefixes(name: str) -> Iterator[str]:
    """`a.b.c` → `a.b.c`, `a.b`, `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def names_match(pattern: re.Pattern[str], names: Iterable[str]) -> bool:
    """Whether a pattern selects a function that goes by these names."""
    for name in names:
        if pattern.fullmatch(name) or _selects_all_in(pattern, name.rpartition(".")[0]):
            return True
    return False


@lru_cache(maxsize=10_000)
def _selects_all_in(pattern: re.Pattern[str], name: str) -> bool:
    """Whether it matches a module's or class's name, or a dotted prefix of that. Asked often."""
    return any(pattern.fullmatch(prefix) for prefix in dotted_prefixes(name))


def all_names(name: str, script: str) -> tuple[str, ...]:
    """What a function goes by: a script's are `__main__.…` as well, a package's `package.…`.

    `script`: the name that the script's functions are recorded by; "" while there is none.
    """
    if not script or not name.startswith(f"{script}."):
        return (name,)
    rest = name[len(script) :]
    names = (name, f"{_MAIN}{rest}")
    package = script.removesuffix(f".{_MAIN}")
    return names if package == script else (*names, f"{package}{rest}")


def script_name(namespace: Mapping[str, Any]) -> str:
    """What a script's functions go by: the module's name under `-m`, else the file's; or ""."""
    spec = namespace.get("__spec__")
    if spec is not None:
        return str(spec.name)
    file = namespace.get("__file__")
    return Path(file).stem if isinstance(file, str) else ""


class Selection:
    """Include and exclude patterns."""

    tells_unused = True
    """Whether an exclude pattern that did nothing is worth a word."""

    def __init__(
        self, include: Sequence[re.Pattern[str]], exclude: Sequence[re.Pattern[str]] = ()
    ) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.matched: dict[re.Pattern[str], int] = dict.fromkeys(self.include, 0)
        """How many functions each pattern has selected so far, excluded ones among them."""
        self.excluded: dict[re.Pattern[str], int] = dict.fromkeys(self.include, 0)
        """How many of them are excluded."""
        self.applied: set[re.Pattern[str]] = set()
        """Exclude patterns that were the first to exclude something."""
        self.near: set[str] = set()
        """Names that were looked at and not selected, for hints; bounded."""
        self._begin = {pattern: literal_prefixes(pattern) for pattern in self.include}
        self._prefixes = {prefix for prefixes in self._begin.values() for prefix in prefixes}
        self._named = {word for pattern in include for word in _IDENTIFIER.findall(pattern.pattern)}

    def selects(self, *names: str) -> bool:
        """Whether a function that goes by these names is to be watched."""
        chosen = self.choosing(*names)
        if not chosen and len(self.near) < _MOST_NEAR:
            self.near.update(names)
        by = self.excluding(*names) if chosen else None
        if by is not None:
            self.applied.add(by)
        excluded = by is not None
        for pattern in chosen:
            self.matched[pattern] += 1
            self.excluded[pattern] += excluded
        return bool(chosen) and not excluded

    def choosing(self, *names: str) -> list[re.Pattern[str]]:
        """The include patterns that select a function that goes by these names."""
        # Whatever a pattern matches begins as it does: most are out of the question at once.
        return [
            pattern
            for pattern, prefixes in self._begin.items()
            if names_match(pattern, [name for name in names if name.startswith(prefixes)])
        ]

    def excluding(self, *names: str) -> re.Pattern[str] | None:
        """The first pattern that excludes a function that goes by these names."""
        return next((pattern for pattern in self.exclude if names_match(pattern, names)), None)

    def names(self, identifier: str) -> bool:
        """Whether an identifier stands in an include pattern, letter by letter."""
        return identifier in self._named

    def may_select_in(self, module: str) -> bool:
        """Whether a function of a module could be selected, by the patterns' literal beginnings."""
        package = module.partition(".")[0]
        if why_left_alone(package) and (package == OURSELVES or package not in self._named):
            return False
        return self.reaches(module)

    def reaches(self, module: str) -> bool:
        """The same, also for packages that are left alone."""
        inside = f"{module}."
        return any(
            inside.startswith(prefix) or prefix.startswith(inside) for prefix in self._prefixes
        )

    @property
    def beginnings(self) -> frozenset[str]:
        """The literal texts of which every name that is selected begins with one."""
        return frozenset(self._prefixes)

    def hints(self, pattern: re.Pattern[str]) -> list[str]:
        """Names that look like what a pattern that matched nothing may have meant."""
        literal = re.sub(r"\\(.)", r"\1", re.split(r"[([{|^$*+?]", pattern.pattern)[0])
        names = {prefix for name in self.near for prefix in dotted_prefixes(name)}
        names.update(name for name in sys.modules if not why_left_alone(name.partition(".")[0]))
        meant = literal.strip(".") or pattern.pattern
        names.discard(pattern.pattern)  # a module in which there is no function
        return difflib.get_close_matches(meant, sorted(names), n=3, cutoff=0.6)


def say_meant(pattern: str, near: Sequence[str]) -> str:
    """How a sentence about a pattern that matches nothing ends: what may have been meant."""
    if near:
        return f"; near names: {', '.join(near)}"
    first = pattern.partition(".")[0].rstrip("\\")
    script = script_name(vars(sys.modules[_MAIN]))  # which may have failed before its functions
    if not _NAME.fullmatch(pattern) or first in sys.modules or first == script:
        return ""
    return rf"; names begin with their module: .*\.{pattern} matches in any"


_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_NAME = re.compile(rf"{_IDENTIFIER.pattern}(?:\\?\.{_IDENTIFIER.pattern})*")
_LITERAL = re.compile(r"(?:\w|\\\.)*")


def literal_prefixes(pattern: re.Pattern[str]) -> tuple[str, ...]:
    r"""Texts of which every match begins with one: `bot\.risk\..*|desk` → `bot.risk.`, `desk`.

    A bare dot may be any character: the text ends before it.
    """
    if pattern.flags & (re.IGNORECASE | re.VERBOSE):
        return ("",)
    return tuple(_literal_prefix(branch) for branch in _branches(pattern.pattern))


def _literal_prefix(branch: str) -> str:
    branch = branch.removeprefix("^")
    literal = _LITERAL.match(branch)
    assert literal is not None
    prefix = literal[0]
    if prefix and branch[len(prefix) : len(prefix) + 1] in ("*", "+", "?", "{"):
        prefix = prefix[:-2] if prefix.endswith("\\.") else prefix[:-1]
    return prefix.replace("\\.", ".")


_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)


def _branches(text: str) -> Iterator[str]:
    """The alternatives of an expression, as far as they stand outside of groups."""
    depth, branch = 0, ""
    for part in _PART.findall(text):
        depth += (part == "(") - (part == ")")
        if part == "|" and depth == 0:
            yield branch
            branch = ""
        else:
            branch += part
    yield branch
