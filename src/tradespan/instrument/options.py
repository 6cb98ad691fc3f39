"""How a function is watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal

from opentelemetry.trace import SpanKind

SerializerOption = Literal["smart", "repr", "json"] | Callable[[Any], Any]
CaptureOption = Mapping[str, bool] | Literal["none", "all"] | bool

DEFAULT_SLOW = 1.0
"""Seconds after which an unsampled call is written after all, where no objective says otherwise."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What is kept of a call."""

    args: bool = True
    result: bool = True
    locals: bool = False
    """With an error: the variables of the frames that it passed."""
    source: bool = False
    """With an error: the lines around each place of its traceback."""

    @classmethod
    def parse(cls, value: Any) -> Capture:
        """From `Capture`, a mapping such as `{"locals": True}`, a boolean for arguments and result,
        `"none"` or `"all"`. None is the default: arguments and result.

        Raises:
            ValueError: An unknown key or word.
        """
        if value is None:
            return cls()
        if isinstance(value, Capture):
            return value
        if isinstance(value, bool):
            return cls(args=value, result=value)
        if value == "none":
            return cls(args=False, result=False)
        if value == "all":
            return cls(locals=True, source=True)
        known = [one.name for one in fields(cls)]
        if not isinstance(value, Mapping) or set(value) - set(known):
            accepted = ", ".join(map(repr, known))
            raise ValueError(f'capture={value!r}: use "none", "all" or a mapping of {accepted}')
        return cls(**{key: bool(wanted) for key, wanted in value.items()})


@dataclass(frozen=True, slots=True)
class Objective:
    """What a function promises: so many of its calls succeed, within so much time.

    Exported as labels and instruments that generated rules read (`tradespan.objective.target`,
    `tradespan.function.good`).
    """

    success: float = 0.999
    """Share of calls that succeed within `latency`, 0 to 1."""
    latency: float | None = None
    """Seconds; None: however long they take."""

    def __post_init__(self) -> None:
        if not 0 < self.success <= 1:
            raise ValueError(f"objective: success={self.success!r} is not a share above 0, up to 1")
        if self.latency is not None and not self.latency > 0:
            raise ValueError(f"objective: latency={self.latency!r} is not a time in seconds")

    @classmethod
    def parse(cls, value: Any) -> Objective | None:
        """From an `Objective`, or a mapping of its fields.

        Raises:
            ValueError: An unknown key, or a value out of range.
        """
        if value is None or isinstance(value, Objective):
            return value
        known = {"success", "latency"}
        if not isinstance(value, Mapping) or set(value) - known:
            raise ValueError(f'objective={value!r}: use a mapping of "success" and "latency"')
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute taken from a call: `trading.symbol` from `args.order.symbol`."""

    attribute: str
    source: str
    """`args`, `result`, `self`, or `=` for a literal."""
    path: tuple[str, ...] = ()
    literal: str | bool | int | float = ""
    values: Mapping[str, str | bool | int | float] | None = None
    """The program's word → the one that is meant; `*` is any other, which else stays as it is."""
    factor: Decimal | None = None
    """What its number is multiplied by."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a value of a call has to be: `args.message.kind` is `fill`."""

    source: str
    """`args`, `result` or `self`."""
    path: tuple[str, ...]
    words: frozenset[str]
    """As text; `*` is any value, `none` is None."""


@dataclass(frozen=True, slots=True)
class Case:
    """What some calls of a function mean."""

    signal: str
    events: bool = True
    when: tuple[Check, ...] = ()
    """All that a call has to meet."""
    fields: tuple[Field, ...] = ()
    """Beside those of all calls."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The options of one watched function."""

    name: str | None = None
    """None: the function's own, `module.qualname`."""
    process_group: str = ""
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Any] = field(default_factory=dict)
    capture: Capture = field(default_factory=Capture)
    max_repr: int = 1_000
    serializer: SerializerOption | str = "smart"
    """A text with a dot in it is a function's dotted name."""
    sensitive_fields: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    events: bool = True
    """Whether the calls of a mapped function are events."""
    cases: tuple[Case, ...] = ()
    """What its calls mean where that differs from call to call: the first that a call meets."""
    sample_rate: float = 1.0
    """Share of calls whose span is kept, by the trace id; errors and slow calls always are."""
    min_duration: float | None = None
    """Seconds; shorter calls are not written, unless they fail or a span below them is kept."""
    slow: float | None = None
    """Seconds from which an unsampled call is written; None: the objective's latency, else 1 s."""
    durable: bool = False
    objective: Objective | None = None
    metrics: bool = True
    queue_warning_threshold: int | None = None
    """Undelivered records from which on the process is warned; None: as the settings say."""

    def __post_init__(self) -> None:
        if not 0 <= self.sample_rate <= 1:
            raise ValueError(f"sample_rate={self.sample_rate!r} is not a share from 0 to 1")
        for name in ("min_duration", "slow"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds >= 0:
                raise ValueError(f"{name}={seconds!r} is not a time in seconds")
        if self.max_repr < 1:
            raise ValueError(f"max_repr={self.max_repr!r}: at least 1 character")
        if self.queue_warning_threshold is not None and self.queue_warning_threshold < 1:
            raise ValueError(
                f"queue_warning_threshold={self.queue_warning_threshold!r}: at least 1"
            )

    @property
    def slow_after(self) -> float:
        """Seconds."""
        if self.slow is not None:
            return self.slow
        latency = self.objective.latency if self.objective is not None else None
        return DEFAULT_SLOW if latency is None else latency
