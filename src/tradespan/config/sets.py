"""Sets of instruments, by the names that the setting `sets` takes."""

from __future__ import annotations

from tradespan.config.kinds import Kind, Place, Refused

KNOWN = ("engine", "orders", "exchange", "feed", "portfolio", "risk", "agents", "system")


def _sets(raw: object, _: Place) -> tuple[str, ...]:
    if isinstance(raw, bool):
        raw = "all" if raw else "none"
    given = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise Refused
    names = [name.strip().lower() for name in given if name.strip()]
    if names == ["all"]:
        return KNOWN
    if names == ["none"]:
        return ()
    if not set(names) <= set(KNOWN):
        raise Refused
    return tuple(name for name in KNOWN if name in names)


def _format(names: tuple[str, ...]) -> str:
    return "all" if names == KNOWN else ", ".join(names) or "none"


SETS = Kind("sets", f"all, none, or some of {', '.join(KNOWN)}", _sets, _format)
