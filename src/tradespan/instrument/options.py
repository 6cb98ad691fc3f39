"""How a function is watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import SpanKind


@dataclass(frozen=True, slots=True)
class Capture:
    """What is kept of a call."""

    args: bool = True
    result: bool = True

    @classmethod
    def parse(cls, value: Capture | Mapping[str, bool] | str | bool | None) -> Capture:
        """From `Capture`, a mapping such as `{"args": True}`, a boolean for both, or `"none"`.

        None is the default: both.

        Raises:
            ValueError: An unknown key or word.
        """
        if value is None:
            return cls()
        if isinstance(value, Capture):
            return value
        if value == "none":
            value = False
        if isinstance(value, bool):
            return cls(args=value, result=value)
        if not isinstance(value, Mapping) or set(value) - {"args", "result"}:
            raise ValueError(f'capture={value!r}: use "none" or a mapping of "args" and "result"')
        return cls(**{key: bool(wanted) for key, wanted in value.items()})


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute taken from a call: `trading.symbol` from `args.order.symbol`."""

    attribute: str
    source: str
    """`args`, `result`, `self`, or `=` for a literal."""
    path: tuple[str, ...] = ()
    literal: str | bool | int | float = ""


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
    fields: tuple[Field, ...] = ()
