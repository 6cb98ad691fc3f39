"""What a supervisor hands to its children: one variable with JSON of what arguments and file said.

Not the values that came out of it: a child has variables of its own, and `Layer` decides again
there, as it did here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.config.entries import Entry, Layer, Layers, Value
from tradespan.config.settings import BY_KEY, EFFECTIVE_VARIABLE
from tradespan.core.errors import InvalidSetting

MAX_BYTES = 100_000
"""Linux takes 128 KiB for one variable, its name included."""


class Handover(NamedTuple):
    """What a parent said."""

    entries: list[Entry]
    file: Path | None
    """The settings file of the parent."""
    reread: tuple[str, ...] | None
    """Keys of the file to read again; None: the whole file."""
    directory: Path
    """The parent's working directory: origins are shown relative to it."""


def write_handover(layers: Layers, values: Mapping[str, Value]) -> dict[str, str]:
    """The variable, by name."""
    entries = [entry for entry in layers.listed() if entry.layer is not Layer.ENVIRONMENT]
    # A secret from an argument stays where it was given; one from the file can be read again.
    secret = [entry for entry in entries if _is_secret(entry)]
    reread = [entry.key for entry in secret if entry.layer is Layer.FILE]
    entries = [entry for entry in entries if entry not in secret] + _fixed_defaults(values, layers)
    text = _encode(entries, layers, reread)
    if len(text.encode()) > MAX_BYTES:
        entries = [entry for entry in entries if entry.layer is not Layer.FILE]
        text = _encode(entries, layers, None)
    return {EFFECTIVE_VARIABLE: text}


def _is_secret(entry: Entry) -> bool:
    setting = BY_KEY.get(entry.key)
    return setting is not None and setting.kind.holds_secret(entry.raw)


def _fixed_defaults(values: Mapping[str, Value], layers: Layers) -> list[Entry]:
    """Defaults that a child might compute otherwise: it may have another HOME."""
    return [
        Entry(key, value.value, Layer.DEFAULT, value.origin, layers.place.base)
        for key, value in values.items()
        if value.layer is Layer.DEFAULT and isinstance(value.value, Path)
    ]


def _encode(entries: list[Entry], layers: Layers, reread: list[str] | None) -> str:
    rows = [[e.key, _plain(e.raw), int(e.layer), e.origin, str(e.base)] for e in entries]
    content = {
        "entries": rows,
        "file": None if layers.file is None else str(layers.file),
        "reread": reread,
        "directory": str(layers.place.base),
    }
    return json.dumps(content, separators=(",", ":"))


def _plain(raw: object) -> object:
    """A raw value as JSON has it; parsers read a path or an expression from its text as well."""
    if isinstance(raw, re.Pattern):
        return [raw.pattern]
    if isinstance(raw, Mapping):
        return {str(key): _plain(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [item.pattern if isinstance(item, re.Pattern) else _plain(item) for item in raw]
    return raw if raw is None or isinstance(raw, str | bool | int | float) else str(raw)


def read_handover(text: str) -> Handover:
    """What a parent wrote.

    Raises:
        InvalidSetting: The text is something else.
    """
    try:
        content: dict[str, Any] = json.loads(text)
        entries = [
            Entry(key, raw, Layer(layer), origin, Path(base))
            for key, raw, layer, origin, base in content["entries"]
        ]
        file = None if content["file"] is None else Path(content["file"])
        reread = None if content["reread"] is None else tuple(content["reread"])
        directory = Path(content["directory"])
    except (ValueError, TypeError, KeyError):
        origin = f"environment {EFFECTIVE_VARIABLE}"
        accepts = "what `Config.to_environment` wrote"
        raise InvalidSetting(EFFECTIVE_VARIABLE, origin, "(not shown)", accepts) from None
    return Handover(entries, file, reread, directory)
