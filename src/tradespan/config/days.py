"""Time zones and times of day, as settings have them."""

from __future__ import annotations

import re
from importlib import import_module

from tradespan.config.kinds import Kind, Place, Refused

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


def _time_zone(raw: object, _: Place) -> str:
    if not isinstance(raw, str):
        raise Refused
    # It reads the environment when it is imported, and most programs give no zone.
    zones = import_module("zoneinfo")
    try:
        return str(zones.ZoneInfo(raw.strip()).key)
    except (ValueError, OSError, KeyError):  # no such file, or no name of one
        raise Refused from None


def _time_of_day(raw: object, _: Place) -> str:
    found = _TIME.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if found is None:
        raise Refused
    return f"{int(found[1]):02}:{found[2]}"


TIME_ZONE = Kind("time zone", "a time zone such as America/New_York or UTC", _time_zone, str)
TIME_OF_DAY = Kind("time of day", "a time such as 17:00", _time_of_day, str)
