"""Which names are meant.

A function's name is `module.qualname`. A pattern selects it if it matches the whole name or a dotted
prefix of it: a class selects its methods, a module its functions (DESIGN 4.12).
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

LEFT_ALONE = sys.stdlib_module_names | {
    "tradespan", "opentelemetry", "msgspec", "wrapt", "psutil",
    "pytest", "_pytest", "pluggy", "hypothesis", "sitecustomize", "usercustomize",
}  # fmt: skip
"""Packages that are never watched unless a pattern begins with their name: `.*` means the user's
code, and what our wrappers call themselves must not call our wrappers."""
_MOST_NEAR = 5_000
"""Names kept for hints."""


def dotted_prefixes(name: str) -> Iterator[str]:
    """`a.b.c` → `a.b.c`, `a.b`, `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]


class Selection:
    """Include and exclude patterns."""

    def __init__(
        self, include: Sequence[re.Pattern[str]], exclude: Sequence[re.Pattern[str]] = ()
    ) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.matched: dict[re.Pattern[str], int] = dict.fromkeys(self.include, 0)
        """How many functions each pattern has selected so far."""
        self.near: set[str] = set()
        """Names that were looked at and not selected, for hints; bounded."""
        self._prefixes = [literal_prefix(pattern) for pattern in self.include]

    def selects(self, name: str) -> bool:
        """Whether a function of this name is to be watched."""
        prefixes = tuple(dotted_prefixes(name))
        chosen = _matching(self.include, prefixes)
        if not chosen:
            if len(self.near) < _MOST_NEAR:
                self.near.add(name)
            return False
        for pattern in chosen:
            self.matched[pattern] += 1
        return not _matching(self.exclude, prefixes)

    def may_select_in(self, module: str) -> bool:
        """Whether any function of a module could be selected, by the patterns' literal beginnings."""
        package = module.partition(".")[0]
        for prefix in self._prefixes:
            if package in LEFT_ALONE and not prefix.startswith(package):
                continue
            inside = f"{module}."
            if inside.startswith(prefix) or prefix.startswith(inside) or prefix == module:
                return True
        return False

    def hints(self, pattern: re.Pattern[str], others: Iterable[str] = ()) -> list[str]:
        """Names that look like what a pattern that matched nothing may have meant."""
        plain = re.sub(r"\\(.)", r"\1", pattern.pattern).replace(".*", "")
        names = sorted(self.near | set(others))
        return difflib.get_close_matches(plain, names, n=3, cutoff=0.5)


def _matching(
    patterns: Iterable[re.Pattern[str]], prefixes: Sequence[str]
) -> list[re.Pattern[str]]:
    return [
        pattern for pattern in patterns if any(pattern.fullmatch(prefix) for prefix in prefixes)
    ]


_LITERAL = re.compile(r"(?:[A-Za-z0-9_]|\\\.|\.(?![*+?{]))*")


def literal_prefix(pattern: re.Pattern[str]) -> str:
    r"""The text that every match begins with: `bot\.risk\..*` → `bot.risk.`.

    A bare dot counts as the dot that users mean by it only where nothing follows that repeats it;
    this narrows which modules are looked at, not what is selected in them.
    """
    if "|" in pattern.pattern or pattern.flags & re.IGNORECASE:
        return ""
    text = pattern.pattern
    literal = _LITERAL.match(text)
    assert literal is not None
    prefix = literal[0]
    if len(prefix) < len(text) and text[len(prefix)] in "*+?{" and prefix:
        prefix = prefix[:-2] if prefix.endswith("\\.") else prefix[:-1]
    return prefix.replace("\\.", ".")
