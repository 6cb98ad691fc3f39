"""Notes of deaths, `death-….json` of a run's folder, in words. Standard library only."""

from __future__ import annotations

import time
from typing import Any

STOPPED, ENDED, DIED = "stopped", "ended", "died"
"""`how` of a note: somebody asked the process to end; it ended by itself, while calls ran; else."""
_MOST_NAMES = 3


def printable(text: str, most: int = 500) -> str:
    """A file's text for a terminal: bounded, and without control characters."""
    return "".join(each if each.isprintable() else " " for each in text[:most])


def is_alarming(note: dict[str, Any]) -> bool:
    """Whether a death is to be said unasked: the bot's own, or one by a signal.

    Of children that just went nobody knows whether they were meant to: a pool's are terminated.
    """
    return note.get("how") == DIED and bool(note.get("main") or note.get("signal"))


def say_death(note: dict[str, Any]) -> str:
    """`died 14:27:03 UTC, SIGSEGV, 1 call open, 2 orders open`; the note may hold anything."""
    seconds = note.get("time")
    known = isinstance(seconds, int | float) and 0 <= seconds < 1e11
    stamp = time.strftime("%H:%M:%S UTC", time.gmtime(seconds)) if known else "at some time"
    count = note.get("open_count")
    parts = [f"{note.get('how') or DIED} {stamp}", printable(str(note.get("cause", "")))]
    if isinstance(count, int) and count > 0:
        parts.append(f"{count:,} call open" if count == 1 else f"{count:,} calls open")
    parts.append(count_orders(note))
    return ", ".join(filter(None, parts))


def count_orders(note: dict[str, Any]) -> str:
    """`2 orders open`; empty if none was, or nobody knows."""
    count = note.get("orders_count")
    if not isinstance(count, int) or count <= 0:
        return ""
    return f"{count:,} order open" if count == 1 else f"{count:,} orders open"


def open_orders(note: dict[str, Any]) -> list[dict[str, Any]]:
    """What a note says of the orders that were open: the earliest ones."""
    told = note.get("orders")
    return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []


def open_calls(note: dict[str, Any]) -> list[dict[str, Any]]:
    """What a note says of the calls that were open: the earliest ones."""
    told = note.get("open")
    return [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []


def name_calls(note: dict[str, Any]) -> str:
    """The first of the open calls by name: `bot.main, bot.submit, …`."""
    names = list(dict.fromkeys(printable(str(each.get("name"))) for each in open_calls(note)))
    more = ", …" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def trace_of(note: dict[str, Any]) -> str:
    """The trace of the earliest open call, 32 hex digits; empty if there is none."""
    trace = next((str(each.get("trace_id", "")) for each in open_calls(note)), "")
    return trace if len(trace) == 32 and set(trace) <= set("0123456789abcdef") else ""
