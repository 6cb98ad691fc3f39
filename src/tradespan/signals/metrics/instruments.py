"""What code that counts holds: instruments, and their bound children, one a label set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, cast

from tradespan.core.interruptions import is_hosts
from tradespan.pages.numbers import OVERFLOW_LABELS, Number
from tradespan.signals.metrics.arguments import Facts
from tradespan.signals.metrics.series import (
    Series,
    SeriesOwner,
    is_plain,
    text_of,
)

MOST_CACHED: Final = 8_192
"""Ways of naming label sets that an instrument remembers."""


class BoundCounter(Protocol):
    """A counter's child: one label set."""

    @property
    def value(self) -> float:
        """What it has counted so far."""
        ...

    def add(self, value: Number = 1, /) -> None:
        """Count so many more. A negative or not finite one is refused and counted, never raised."""
        ...


class BoundUpDownCounter(Protocol):
    """An up-down counter's child: one label set."""

    @property
    def value(self) -> float:
        """What it stands at."""
        ...

    def add(self, value: Number = 1, /) -> None:
        """Add; a negative value takes away. One that is not finite is refused, never raised."""
        ...


class BoundGauge(Protocol):
    """A gauge's child: one label set."""

    @property
    def value(self) -> float:
        """What it was set to; 0 if it never was."""
        ...

    def set(self, value: Number, /) -> None:
        """It is this now. A value that is not finite is refused and counted, never raised."""
        ...

    def add(self, value: Number = 1, /) -> None:
        """It is so much more now than it was."""
        ...


class BoundHistogram(Protocol):
    """A histogram's child: one label set."""

    @property
    def count(self) -> int:
        """How many values it has."""
        ...

    @property
    def sum(self) -> float:
        """Of all values."""
        ...

    @property
    def bucket_counts(self) -> tuple[int, ...]:
        """Values up to each bound and above the one before; the last: above all bounds."""
        ...

    def record(self, value: Number, /) -> None:
        """Count a value. One that is not finite is refused and counted, never raised."""
        ...


Child = TypeVar("Child")
Restore = Callable[..., Any]
"""Kind, facts and, of a child, the labels' values → the one of this process; can be pickled."""
MakeSeries = Callable[["Instrument[Any]", "tuple[str, ...] | None"], Series]
"""Makes the series of these values of the labels, in their order; None: for the rest."""


class Instrument(Generic[Child]):
    """A name under which is counted, with a child for each label set.

    Made by `counter`, `up_down_counter`, `gauge` and `histogram`, before or after `configure()`.
    """

    kind: ClassVar[str]
    """`counter`, `up_down_counter`, `gauge` or `histogram`."""
    observed: ClassVar[bool] = False
    """Whether its children are only set, to what somebody else has counted."""
    learns: ClassVar[bool] = False
    """Whether each call brings the names of its labels."""
    _calls: ClassVar[tuple[str, ...]]
    """Methods of a child that an instrument without labels has, too."""

    def __init__(
        self,
        facts: Facts,
        place: str,
        owner: SeriesOwner,
        make: MakeSeries,
        restore: Restore,
        most: int,
    ) -> None:
        """Made by the registry. `place`: file and line; `most`: label sets."""
        self.facts: Final = facts
        self.key: tuple[Any, ...] = (facts.scope, facts.name)
        """What the registry knows it by."""
        self.name: Final = facts.name
        self.unit: Final = facts.unit
        """By UCUM."""
        self.description: Final = facts.description
        self.label_names: Final = facts.label_names
        self.place: Final = place
        """Where it was made first, `file:line`."""
        self.owner: Final = owner
        self.most: Final = most
        self.children: Final[dict[tuple[str, ...] | None, Series]] = {}
        """Values of the labels, in their order, → their series; None → the one for the rest."""
        self._make = make
        self._restore = restore
        owner.reduce = self._reduce_child
        owner.find_series = self._find_series
        self._cache: dict[tuple[Any, ...], Child] = {}
        self._keywords = {name.replace(".", "_"): at for at, name in enumerate(self.label_names)}
        self._keywords |= {name: at for at, name in enumerate(self.label_names)}
        if not self.label_names and self._calls:
            child = self.labels()
            for name in self._calls:  # one call into C
                self.__dict__[name] = getattr(child, name)

    @property
    def is_own(self) -> bool:
        """Whether it is known by tradespan's scope and its name alone."""
        return self.key == (self.facts.scope, self.name) and self.facts.scope[0] == "tradespan"

    def labels(self, *values: object, **named: object) -> Child:
        """The child of a label set; made at first, with 0, and then the same again.

        Values stand in the declared order, or have the labels' names, in which `_` may stand for
        `.`. They become text; what is missing is empty. Beyond the cap of label sets it is one
        child for all that come later, with the label `otel.metric.overflow`.

        Raises:
            TypeError: There is no such label, or a label has two values.
        """
        key = (values, *named.items()) if named else values
        try:
            return self._cache[key]
        except (KeyError, TypeError):  # not there, or a value that cannot be hashed
            return self._look_up(key, values, named)
        except Exception as error:
            if is_hosts(error):
                raise
            return self._look_up(key, values, named)  # a value of the user's whose hash fails

    def declare(self, *values: object, **named: object) -> Child:
        """Let a label set be there now, at 0: a first count later is seen as a rise then.

        Raises:
            TypeError: See `labels`.
        """
        return self.labels(*values, **named)

    def series(self) -> list[tuple[dict[str, str], Child]]:
        """All label sets that there are, with their children."""
        found = list(self.children.values())
        return [(dict(each.labels), cast("Child", each.cells)) for each in found]

    def pairs(self, texts: tuple[str, ...] | None) -> tuple[tuple[str, str], ...]:
        """The labels of a series, sorted by key."""
        if texts is None:
            return OVERFLOW_LABELS
        return tuple(sorted(zip(self.label_names, texts, strict=True)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Objects that hold instruments are copied, and go to other processes.
        return self._restore, (self.kind, self.facts)

    def _find_series(self, cells: object) -> Series | None:
        return next((each for each in list(self.children.values()) if each.cells is cells), None)

    def _reduce_child(self, cells: object) -> tuple[Any, ...]:
        found = [texts for texts, each in list(self.children.items()) if each.cells is cells]
        return self._restore, (self.kind, self.facts, *found)

    def __repr__(self) -> str:
        labels = f"{{{', '.join(self.label_names)}}}" if self.label_names else ""
        return f"<{self.kind} {self.name}{labels}>"

    def _look_up(
        self, key: tuple[Any, ...], values: tuple[object, ...], named: dict[str, object]
    ) -> Child:
        texts = self._read(values, named)
        series = self.children.get(texts)
        if series is None or series.page is None:
            series = self._make(self, texts)
        child = cast("Child", series.cells)
        plain = all(is_plain(each) for each in (*values, *named.values()))
        if plain and len(self._cache) < MOST_CACHED and texts in self.children:
            self._cache[key] = child
        return child

    def _read(self, values: tuple[object, ...], named: dict[str, object]) -> tuple[str, ...]:
        if len(values) > len(self.label_names):
            raise TypeError(
                f"{self.name} has {self._say_labels()}, and is given {len(values)} values"
            )
        texts = [*map(text_of, values), *[""] * (len(self.label_names) - len(values))]
        given = set(range(len(values)))
        for name, value in named.items():
            at = self._keywords.get(name)
            if at is None:
                raise TypeError(f"{self.name} has no label {name!r}; it has {self._say_labels()}")
            if at in given:
                raise TypeError(f"{self.name} is given two values of {self.label_names[at]}")
            given.add(at)
            texts[at] = text_of(value)
        return tuple(texts)

    def _say_labels(self) -> str:
        return f"the labels {', '.join(self.label_names)}" if self.label_names else "no labels"

    def _refuse_without_labels(self) -> None:
        self.owner.refuse_call(f"it has {self._say_labels()}, so that only `labels(…)` counts")


class Counter(Instrument[BoundCounter]):
    """Counts what happens; it only rises, and begins at 0 with each process."""

    kind = "counter"
    _calls = ("add",)

    def add(self, value: Number = 1, /) -> None:
        """Count so many more: of a counter without labels. Never raises.

        A negative value, one that is not finite, and a call where there are labels are refused, and
        counted in `tradespan.metrics.refused`.
        """
        self._refuse_without_labels()


class UpDownCounter(Instrument[BoundUpDownCounter]):
    """Counts what there is: it rises and falls, and can be added up over processes."""

    kind = "up_down_counter"
    _calls = ("add",)

    def add(self, value: Number = 1, /) -> None:
        """Add: to an up-down counter without labels. Never raises; see `Counter.add`."""
        self._refuse_without_labels()


class Gauge(Instrument[BoundGauge]):
    """Holds what was measured last. It is told once it has been set."""

    kind = "gauge"
    _calls = ("add", "set")

    def set(self, value: Number, /) -> None:
        """It is this now: a gauge without labels. Never raises; see `Counter.add`."""
        self._refuse_without_labels()

    def add(self, value: Number = 1, /) -> None:
        """It is so much more: a gauge without labels. Never raises; see `Counter.add`."""
        self._refuse_without_labels()

    def remove(self, *values: object, **named: object) -> None:
        """Tell a label set no more, until it is set again.

        Raises:
            TypeError: See `labels`.
        """
        series = self.children.get(self._read(values, named))
        if series is not None:
            series.cells.forget()  # type: ignore[union-attr]


class Histogram(Instrument[BoundHistogram]):
    """Counts values by their size, in buckets."""

    kind = "histogram"
    _calls = ("record",)

    @property
    def bounds(self) -> tuple[float, ...]:
        """Upper bounds of the buckets, in `unit`."""
        return self.facts.bounds

    def record(self, value: Number, /) -> None:
        """Count a value: in a histogram without labels. Never raises; see `Counter.add`."""
        self._refuse_without_labels()
