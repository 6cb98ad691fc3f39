"""Durations and sizes as people write them: `500ms`, `6h`, `256KiB`, `2GiB`.

Source: units of time as in Go's `time.ParseDuration` plus `d`; binary units as in IEC 80000-13,
decimal ones as in SI.
"""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-zµ]*)", re.ASCII)

# A unit under a second divides: 500 / 1000 is the float nearest to 0.5, 500 * 0.001 may not be.
_PARTS_OF_A_SECOND = {"ms": 1_000, "us": 1_000_000, "µs": 1_000_000}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_BYTES = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
# 2gb and 2 GIB are understood; `kb` is 1,000 bytes, as `KB` is.
_BYTES_ANY_CASE = {unit.lower(): factor for unit, factor in _BYTES.items()}


def parse_duration(text: str) -> float:
    """Seconds of a duration: a number with `us`, `ms`, `s`, `m`, `h` or `d`; bare: seconds.

    Raises:
        ValueError: The text is something else, or negative.
    """
    number, unit = _split(text)
    if unit in _PARTS_OF_A_SECOND:
        seconds = float(number) / _PARTS_OF_A_SECOND[unit]
    elif unit in _SECONDS:
        seconds = float(number) * _SECONDS[unit]
    else:
        raise ValueError(f"{unit!r} is no unit of time")
    if seconds == math.inf:
        raise ValueError(f"{text!r} is endless")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back as exactly this value.

    Args:
        seconds: 0 or more, finite.
    """
    whole = [f"{int(seconds) // _SECONDS[unit]}{unit}" for unit in ("d", "h", "m", "s")]
    parts = [f"{round(seconds * _PARTS_OF_A_SECOND[unit])}{unit}" for unit in ("ms", "us")]
    for text in (*whole, *parts):
        # A unit that cannot say it exactly gives another value.
        if parse_duration(text) == seconds and (seconds or text == "0s"):
            return text
    return f"{_spell_out(seconds)}s"


def _spell_out(number: float) -> str:
    """`repr` without an exponent: `1e-07` becomes `0.0000001`."""
    mantissa, _, exponent = repr(number).partition("e")
    if not exponent:
        return mantissa
    digits = mantissa.replace(".", "")
    return f"0.{'0' * (-int(exponent) - 1)}{digits}"


def parse_size(text: str) -> int:
    """Bytes of a size: a number with `KiB`, `MiB`, `GiB`, `TiB`, `KB`, `MB`, `GB`, `TB` or `B`.

    Raises:
        ValueError: The text is something else, negative, or no whole number of bytes.
    """
    number, unit = _split(text)
    if unit.lower() not in _BYTES_ANY_CASE:
        raise ValueError(f"{unit!r} is no unit of size")
    factor = _BYTES_ANY_CASE[unit.lower()]
    # Not by way of float where it need not be: it has 53 bits.
    size = float(number) * factor if "." in number else int(number) * factor
    if size == math.inf or size != int(size):
        raise ValueError(f"{text!r} is no whole number of bytes")
    return int(size)


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads back as exactly this value.

    Args:
        size: Bytes, 0 or more.
    """
    whole = [u for u in reversed(_BYTES) if size >= _BYTES[u] > 1 and size % _BYTES[u] == 0]
    written = [f"{size // _BYTES[unit]}{unit}" for unit in whole]
    # 2GiB before 2097152KiB: the shortest says most.
    return min([*written, f"{size}B"], key=len)


def _split(text: str) -> tuple[str, str]:
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no number with a unit")
    return match[1], match[2]
