"""Tables of a YAML file that know their lines; what is wrong in them is collected, not raised."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tradespan.conventions.registry import Place

_LONGEST = 100
"""Characters of a name that is compared to others: beyond, nobody has misspelt it."""


class Problem(NamedTuple):
    """One mistake in a file."""

    place: Place
    path: str
    """What it is about: `registry.desk: desk.book`; empty: the file."""
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), self.path, self.reason) if part)


class Marked(dict[Any, Any]):
    """A mapping of a YAML file, with the line of each key."""

    line: int = 0
    lines: Mapping[Any, int] = {}
    repeated: Sequence[Any] = ()
    """Keys that stand in it twice."""


class NoYaml(Exception):
    """PyYAML is not installed."""


class NotYaml(Exception):
    """A file is no YAML; `line` from 1, 0 if not known."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def parse_yaml(text: str) -> object:
    """The content of a file, its mappings `Marked`.

    Raises:
        NoYaml: PyYAML is not installed.
        NotYaml: It is no YAML.
    """
    try:
        yaml: Any = importlib.import_module("yaml")  # optional extra: conventions
    except ImportError:
        raise NoYaml("declarations are YAML: pip install 'tradespan[conventions]'") from None

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # PyYAML comes without types
        """Knows the lines."""

    def construct(loader: Any, node: Any) -> Iterator[Marked]:
        table = Marked()
        yield table
        own = [key.value for key, _ in node.value if not key.tag.endswith(":merge")]
        loader.flatten_mapping(node)
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        table.line = node.start_mark.line + 1
        lines = [key.start_mark.line + 1 for key, _ in node.value]
        table.lines = dict(zip(keys, lines, strict=True))
        table.repeated = sorted({str(key) for key in own if own.count(key) > 1})
        table.update(loader.construct_mapping(node, deep=True))

    Loader.add_constructor("tag:yaml.org,2002:map", construct)
    try:
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error) or type(error).__name__
        raise NotYaml(reason, mark.line + 1 if mark else 0) from None


@dataclass(slots=True)
class Table:
    """One mapping of a file: each key is taken once, and what is left over is unknown."""

    file: str
    path: str
    problems: list[Problem]
    content: Mapping[Any, Any]
    line: int = 0
    _taken: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, content: object, file: str, path: str, problems: list[Problem], line: int = 0
    ) -> Table:
        """A value of a file as a table; an empty one, and a problem, if it is none."""
        if isinstance(content, Mapping):
            table = cls(file, path, problems, content, getattr(content, "line", 0) or line)
            for key in getattr(content, "repeated", ()):
                table.refuse(f"{key} stands here twice", key)
            return table
        table = cls(file, path, problems, {}, line)
        table.refuse("is no table")
        return table

    def place(self, key: str = "") -> Place:
        """Where the table, or one of its keys, stands."""
        return Place(self.file, self.lines.get(key, self.line))

    @property
    def lines(self) -> Mapping[Any, int]:
        """Of its keys, where they are known."""
        return getattr(self.content, "lines", {})

    def refuse(self, reason: str, key: str = "") -> None:
        """Note a mistake."""
        self.problems.append(Problem(self.place(key), self.path, reason))

    def take(self, key: str, default: Any = None) -> Any:
        """A value of any type."""
        self._taken.append(key)
        return self.content.get(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        """A text, required without a default; line breaks of the file are spaces."""
        text = self.take(key, default)
        if not isinstance(text, str) or text.strip() == "" != default:
            self.refuse(f"{key} is missing, or no text", key)
            return ""
        return " ".join(text.split())

    def word(self, key: str, words: Sequence[str]) -> str:
        """One of some words."""
        word = self.take(key)
        if word not in words:
            told = "missing" if word is None else repr(word)
            self.refuse(f"{key} is {told}, not one of {', '.join(words)}{hint(word, words)}", key)
        return str(word)

    def number(self, key: str, default: float) -> float:
        """A number over 0."""
        number = self.take(key, default)
        if isinstance(number, bool) or not isinstance(number, int | float) or not number > 0:
            self.refuse(f"{key} is {number!r}, no number over 0", key)
            return default
        return float(number)

    def texts(self, key: str) -> dict[str, str]:
        """A table of texts; empty if it is not there."""
        table = self.take(key, {})
        if isinstance(table, Mapping) and all(isinstance(v, str) for v in table.values()):
            return {str(name): value for name, value in table.items()}
        self.refuse(f"{key} is no table of texts", key)
        return {}

    def table(self, key: str) -> Table:
        """A table inside; an empty one if it is not there."""
        return Table.of(
            self.take(key, {}), self.file, self.path, self.problems, self.place(key).line
        )

    def tables(self, key: str, *, needed: bool = True) -> Iterator[Table]:
        """The tables of a list."""
        items = self.take(key)
        if items is None and not needed:
            return
        if not isinstance(items, list) or not items:
            self.refuse(f"{key} is missing, or no list", key)
            return
        for number, item in enumerate(items):
            yield self._inner(item, key, number)

    def _inner(self, item: object, key: str, number: int) -> Table:
        names: Mapping[Any, Any] = item if isinstance(item, Mapping) else {}
        label = names.get("id") or names.get("ref") or names.get("name") or f"{key}[{number}]"
        path = f"{self.path}: {label}" if self.path else str(label)
        return Table.of(item, self.file, path, self.problems, self.place(key).line)

    def finish(self) -> None:
        """What has not been taken is unknown."""
        for key in self.content:
            if key not in self._taken:
                self.refuse(f"unknown key {key!r}{hint(key, self._taken)}", key)


def hint(word: object, words: Iterable[str]) -> str:
    """`; did you mean brief?`, or nothing."""
    near = nearest(word, words)
    return f"; did you mean {near}?" if near else ""


def nearest(word: object, words: Iterable[str]) -> str:
    """The word that looks most like another; empty: none does.

    Of dotted names, those with the same first part are compared by the rest: all of `trading.*`
    look alike.
    """
    text, known = str(word), list(words)
    if len(text) > _LONGEST:
        return ""
    first, dot, rest = text.partition(".")
    if dot:
        rests = {each.partition(".")[2]: each for each in known if each.startswith(f"{first}.")}
        if found := difflib.get_close_matches(rest, rests, n=1, cutoff=0.7):
            return rests[found[0]]
        known = [each for each in known if not each.startswith(f"{first}.")]
    found = difflib.get_close_matches(text, known, n=1, cutoff=0.7)
    return found[0] if found else ""
