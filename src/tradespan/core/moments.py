"""Moments as programs read them."""

from __future__ import annotations

from datetime import UTC, datetime


def format_timestamp(nanoseconds: int) -> str:
    """ISO 8601 in UTC, to the nanosecond: `2026-03-01T14:27:03.512000001Z`."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
