"""Settings that name some of a few known things, all or none: `libraries`, `sets`."""

from __future__ import annotations

from tradespan.config.kinds import Kind, Place, Refused


def some_of(name: str, known: tuple[str, ...]) -> Kind:
    """The kind of such a setting. Names may have `-` for `_`; their order is that of `known`."""

    def read(raw: object, _: Place) -> tuple[str, ...]:
        if isinstance(raw, bool):
            raw = "all" if raw else "none"
        given = raw.split(",") if isinstance(raw, str) else raw
        if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
            raise Refused
        names = [each.strip().lower().replace("-", "_") for each in given if each.strip()]
        if names == ["all"]:
            return known
        if names == ["none"]:
            return ()
        if not set(names) <= set(known):
            raise Refused
        return tuple(each for each in known if each in names)

    def show(names: tuple[str, ...]) -> str:
        return "all" if names == known else ", ".join(names) or "none"

    return Kind(name, f"all, none, or some of {', '.join(known)}", read, show)
