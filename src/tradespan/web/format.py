"""Numbers as people read them: the unit that reads best, thousands separated.

`assets/format.js` says the same in the browser; a test holds the two together.
"""

from __future__ import annotations

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def format_duration(nanoseconds: int) -> str:
    """A duration with its unit: `640 ns`, `12.5 µs`, `9.8 ms`, `2.04 s`, `4 m 07 s`, `3 h 12 m`."""
    if nanoseconds < MICROSECOND:
        return f"{nanoseconds} ns"
    if nanoseconds < 100 * MICROSECOND:
        return f"{nanoseconds / MICROSECOND:.1f} µs"
    if nanoseconds < 999.95 * MILLISECOND:
        return f"{nanoseconds / MILLISECOND:.1f} ms"
    if nanoseconds < 59.995 * SECOND:
        return f"{nanoseconds / SECOND:.2f} s"
    return format_age(nanoseconds)


def format_part(part: int, whole: int) -> str:
    """A duration out of another: `38.1 of 41.2 ms`, `800 ns of 1.2 ms`."""
    texts = format_duration(part), format_duration(whole)
    (number, _, unit), (_, _, same) = texts[0].partition(" "), texts[1].partition(" ")
    return f"{number if unit == same else texts[0]} of {texts[1]}"


def format_age(nanoseconds: int) -> str:
    """A long time, to the two largest units: `12 s`, `4 m 07 s`, `3 h 12 m`, `2 d 5 h`."""
    seconds = nanoseconds // SECOND
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} m {seconds:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} m"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def format_count(count: int, noun: str = "", plural: str = "") -> str:
    """A count with its noun: `1,204 spans`, `1 span`; without a noun the number alone."""
    if not noun:
        return f"{count:,}"
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def format_share(fraction: float) -> str:
    """A part of a whole: `40 %`; below one percent `< 1 %`, so that nothing is called 0 %."""
    text = "< 1 %" if fraction < 0.01 else f"{fraction:.0%}".replace("%", " %")
    return text.replace(" ", "\N{NO-BREAK SPACE}")
