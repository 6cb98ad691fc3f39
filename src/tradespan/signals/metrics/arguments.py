"""What an instrument is made of, read and checked: mistakes are told where it is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

from tradespan.core.guard import guarded, logger
from tradespan.declare.wording import UNIT_WORDS, is_id
from tradespan.pages.metrics import Scope
from tradespan.pages.numbers import OVERFLOW_LABEL

MOST_BOUNDS: Final = 200
MOST_LABELS: Final = 32
MOST_UNIT: Final = 63
"""Characters. Source: OpenTelemetry, metrics API, "Instrument unit"."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
"""Source: likewise, "Instrument name syntax"."""


_HINTED: set[str] = set()
"""Instruments of whose unit something has been said."""
_MOST_HINTS: Final = 2_000


class Facts(NamedTuple):
    """What tells one instrument from another."""

    name: str
    unit: str
    description: str
    label_names: tuple[str, ...]
    bounds: tuple[float, ...]
    scope: Scope


def is_encodable(text: str) -> bool:
    """Whether it is text for others, too: a lone surrogate is none."""
    return text.encode("utf-8", "ignore").decode() == text


def read_labels(name: str, labels: Iterable[str]) -> tuple[str, ...]:
    """The names of an instrument's labels, as they were given.

    Raises:
        TypeError: They are one text, or not all text.
        ValueError: One is an id's.
    """
    if isinstance(labels, str):
        raise TypeError(f"labels is a tuple of names: ({labels!r},)")
    names = tuple(labels)
    for each in names:
        if not isinstance(each, str):
            raise TypeError(f"the name of a label is text, not {type(each).__name__}")
        if is_id(each):
            raise ValueError(
                f"{name}: {each} is an id and cannot be a label, for each of its values would be a"
                f" series of its own; put it on the span: set_attribute({each!r}, …)"
            )
    return names


def read_facts(
    name: str,
    unit: str,
    description: str,
    labels: Iterable[str],
    bounds: tuple[float, ...],
    scope: Scope,
) -> Facts:
    """What a program asks for by hand. `read_labels` says what it raises."""
    hint_at_unit(name, unit)
    return Facts(name, unit, description, read_labels(name, labels), bounds, scope)


def hint_at_unit(name: str, unit: object) -> None:
    """Log once what UCUM has for a unit's word, without which others do not know the unit."""
    word = UNIT_WORDS.get(unit) if isinstance(unit, str) else None
    if word is None or name in _HINTED or len(_HINTED) >= _MOST_HINTS:
        return
    _HINTED.add(name)
    with guarded("metrics"):
        logger.warning("%s: the unit %r is none by UCUM; write %s", name, unit, word)


def read_bounds(bounds: Iterable[float]) -> tuple[float, ...]:
    """The bounds of a histogram, finite and rising; infinity at the end goes without saying.

    Raises:
        TypeError: They are no numbers.
        ValueError: They are too many, or don't rise.
    """
    found = tuple(map(float, bounds))
    if found and found[-1] == math.inf:
        found = found[:-1]
    if not all(before < bound for before, bound in pairwise((-math.inf, *found, math.inf))):
        raise ValueError(f"the bounds of a histogram rise, and are finite: {found}")
    if len(found) > MOST_BOUNDS:
        raise ValueError(f"a histogram has {MOST_BOUNDS} bounds at most, not {len(found)}")
    return found


def check(facts: Facts) -> None:
    """Refuse what no back end takes.

    Raises:
        TypeError: A name or a unit is no text.
        ValueError: It cannot be used.
    """
    for what, text in (("name", facts.name), ("unit", facts.unit), ("text", facts.description)):
        if not isinstance(text, str):
            raise TypeError(f"the {what} of an instrument is text, not {type(text).__name__}")
    if not _NAME.fullmatch(facts.name):
        raise ValueError(
            f"{facts.name!r} cannot be the name of an instrument: a letter, then up to 254 letters,"
            " digits, and _ . - /"
        )
    if len(facts.unit) > MOST_UNIT or not facts.unit.isascii():
        raise ValueError(f"{facts.name}: a unit has at most {MOST_UNIT} characters of ASCII")
    names = facts.label_names
    if any(not is_encodable(each) for each in (facts.description, *names)):
        raise ValueError(f"{facts.name}: its description or a label's name is no Unicode text")
    if len(names) > MOST_LABELS:
        raise ValueError(f"{facts.name}: {len(names)} labels, {MOST_LABELS} are the most")
    if not all(names) or OVERFLOW_LABEL in names:
        raise ValueError(f"{facts.name}: a label's name is empty, or is {OVERFLOW_LABEL}")
    if len({name.replace(".", "_") for name in names}) < len(names):
        raise ValueError(f"{facts.name}: two labels have the same name: {', '.join(names)}")
