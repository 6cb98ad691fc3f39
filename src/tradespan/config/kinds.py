"""Kinds of values a setting can have: how each is read, shown, and what it accepts.

A kind reads three spellings. `parse` takes what a settings file or code gives: typed values, or
text. `parse_otel` takes the text of an `OTEL_*` variable, which has the OpenTelemetry
specification's meaning: milliseconds, only `true` is true. `format` never shows a secret.

Every parser raises a `ValueError` for what it does not accept: `Refused`, or what `int` and the
like raise. `re.error` is none, and passes.

Source: OpenTelemetry specification, configuration/sdk-environment-variables.md.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from tradespan.config.quantities import format_duration, format_size, parse_duration, parse_size

MASK = "***"


class Refused(ValueError):
    """A value that its kind does not accept; `Kind.accepts` says what it does."""


class Place(NamedTuple):
    """What a path is relative to."""

    base: Path
    """The settings file's directory for its values, else the working directory."""
    home: Path


def shorten(raw: object) -> str:
    """The `repr` of a value, at most 100 characters of it."""
    text = repr(raw)
    return text if len(text) <= 100 else f"{text[:97]}..."


class Kind(NamedTuple):
    """One kind of value."""

    name: str
    accepts: str
    """The end of the sentence "expected …"."""
    parse: Callable[[object, Place], Any]
    format: Callable[[Any], str]
    parse_otel: Callable[[str], Any] | None = None
    """None: an `OTEL_*` variable is read as any other text."""
    lenient: bool = False
    """A bad `OTEL_*` value is ignored with a warning, as the specification asks for this type."""
    show_raw: Callable[[object], str] = shorten
    """A value that was refused, for the message: short, secrets masked."""
    holds_secret: Callable[[object], bool] = lambda _: False
    """Whether a raw value must not be shown or handed to another process."""


def _text(raw: object, _: Place) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise Refused
    return raw.strip()


def _serializer(raw: object, place: Place) -> str:
    text = _text(raw, place)
    parts = text.split(".")
    if text not in ("smart", "repr", "json") and not (
        len(parts) > 1 and all(part.isidentifier() for part in parts)
    ):
        raise Refused
    return text


def _boolean(raw: object, _: Place) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True}
    words |= {"false": False, "0": False, "no": False, "off": False}
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in words:
        return words[raw.strip().lower()]
    raise Refused


def _otel_boolean(raw: str) -> bool:
    word = raw.strip().lower()
    if word not in {"true", "false"}:
        raise Refused
    return word == "true"


def _number_of(raw: object) -> float:
    # True is an int to Python, and no number to a reader of the file.
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise Refused
    number = float(raw)
    if not math.isfinite(number):
        raise Refused
    return number


def _within(number: float, low: float, high: float) -> None:
    if not low <= number <= high:
        raise Refused


def choice(*words: str, aliases: Mapping[str, str] | None = None) -> Kind:
    """One of some words, in any case; `true` and `false` say `on` and `off`."""
    others = aliases or {}

    def parse(raw: object, _: Place) -> str:
        if isinstance(raw, bool):
            raw = "on" if raw else "off"
        word = raw.strip().lower() if isinstance(raw, str) else ""
        if others.get(word, word) not in words:
            raise Refused
        return others.get(word, word)

    def parse_otel(raw: str) -> str:
        return parse(raw, _NOWHERE)

    return Kind("choice", " or ".join(words), parse, _format_optional, parse_otel, lenient=True)


def integer(low: int, high: int | None = None) -> Kind:
    """A whole number from `low` to `high`."""

    def parse(raw: object, _: Place) -> int:
        number = raw if isinstance(raw, int) else int(raw) if isinstance(raw, str) else None
        if number is None or isinstance(number, bool):
            raise Refused
        _within(number, low, math.inf if high is None else high)
        return number

    def parse_otel(raw: str) -> int:
        return parse(raw, _NOWHERE)

    span = f"{low:,} or more" if high is None else f"from {low:,} to {high:,}"
    return Kind("integer", f"a whole number, {span}", parse, _format_integer, parse_otel, True)


def _format_integer(number: int | None) -> str:
    return "no limit" if number is None else str(number)


def number(low: float, high: float) -> Kind:
    """A number from `low` to `high`."""

    def parse(raw: object, _: Place) -> float:
        _within(value := _number_of(raw), low, high)
        return value

    accepts = f"a number from {low:g} to {high:g}"
    return Kind("number", accepts, parse, lambda v: "none" if v is None else f"{v:g}")


def duration(low: float, *, zero_is_endless: bool = False) -> Kind:
    """A duration of at least `low` seconds, as seconds."""

    def parse(raw: object, _: Place) -> float | None:
        seconds = parse_duration(raw) if isinstance(raw, str) else _number_of(raw)
        return admit(seconds)

    def parse_otel(raw: str) -> float | None:
        # Milliseconds, and nothing but digits: a unit has no meaning there.
        if not raw.strip().isdecimal():
            raise Refused
        return admit(int(raw) / 1_000)

    def admit(seconds: float) -> float | None:
        if zero_is_endless and seconds == 0:
            return None
        _within(seconds, low, math.inf)
        return seconds

    def show(seconds: float | None) -> str:
        return "no limit" if seconds is None else format_duration(seconds)

    least = f", {format_duration(low)} or more" if low else ""
    accepts = f"a duration such as 500ms, 10s, 2m, 6h or 1d{least}"
    return Kind("duration", accepts, parse, show, parse_otel, True)


def size(low: int) -> Kind:
    """A size of at least `low` bytes, as bytes."""

    def parse(raw: object, _: Place) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int | str):
            raise Refused
        value = raw if isinstance(raw, int) else parse_size(raw)
        _within(value, low, math.inf)
        return value

    accepts = f"a size such as 256KiB, 100MB or 2GiB, {format_size(low)} or more"
    return Kind("size", accepts, parse, format_size)


def resolve_path(raw: object, place: Place) -> Path:
    """An absolute path; `~` is the home directory, a relative path starts at `place.base`."""
    if not isinstance(raw, str | os.PathLike) or not str(raw).strip() or "\0" in str(raw):
        raise Refused
    path = Path(raw)
    if path.parts[:1] == ("~",):
        return place.home.joinpath(*path.parts[1:])
    return place.base / path


def _path_or_none(raw: object, place: Place) -> Path | None:
    if raw is None or raw is False or (isinstance(raw, str) and raw.strip().lower() == "none"):
        return None
    return resolve_path(raw, place)


def _existing_file(raw: object, place: Place) -> Path:
    path = resolve_path(raw, place)
    if not os.access(path, os.R_OK) or path.is_dir():
        raise Refused
    return path


def _format_optional(value: object) -> str:
    return "none" if value is None else str(value)


def mask_url(url: str) -> str:
    """The URL without the password and without values of its query."""
    url = re.sub(r"(?<=://)[^/?#]*@", f"{MASK}@", url)
    return re.sub(r"(?<==)[^&#]*", MASK, url) if "?" in url else url


def _url(raw: object, _: Place) -> str:
    if not isinstance(raw, str) or not re.fullmatch(r"[!-~]+", raw.strip()):
        raise Refused
    return raw.strip()


def _urls(raw: object, place: Place) -> str:
    """One address or several, as text with single blanks between."""
    addresses = raw.split() if isinstance(raw, str) else raw
    if not isinstance(addresses, list | tuple) or not addresses:
        raise Refused
    return " ".join(_url(address, place) for address in addresses)


def mask_urls(addresses: str) -> str:
    """The addresses without passwords and without values of their queries."""
    return " ".join(mask_url(address) for address in addresses.split())


def _show_urls(raw: object) -> str:
    if isinstance(raw, list | tuple):
        return shorten([mask_urls(each) if isinstance(each, str) else each for each in raw])
    return shorten(mask_urls(raw) if isinstance(raw, str) else raw)


def _holds_password(raw: object) -> bool:
    if isinstance(raw, list | tuple):
        return any(map(_holds_password, raw))
    return isinstance(raw, str) and mask_urls(raw) != " ".join(raw.split())


def _patterns(raw: object, _: Place) -> tuple[re.Pattern[str], ...]:
    if isinstance(raw, str):
        raw = [part.strip() for part in re.split(r"[;\n]", raw)]
    elif isinstance(raw, re.Pattern):
        raw = [raw]
    if not isinstance(raw, list | tuple):
        raise Refused
    patterns = [item.pattern if isinstance(item, re.Pattern) else item for item in raw]
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise Refused
    return tuple(re.compile(pattern) for pattern in patterns if pattern)


def _format_patterns(patterns: tuple[re.Pattern[str], ...]) -> str:
    return "; ".join(pattern.pattern for pattern in patterns) or "none"


def parse_pairs(text: str) -> dict[str, str]:
    """The pairs of `key1=value1,key2=value2`, percent-decoded.

    Source: OpenTelemetry specification, resource/sdk.md and protocol/exporter.md.

    Raises:
        Refused: A pair has no `=`, an empty key, or bytes that are no UTF-8.
    """
    pairs = {}
    for item in filter(str.strip, text.split(",")):
        key, equals, value = item.partition("=")
        key = unquote(key.strip(), errors="strict")
        if not equals or not key:
            raise Refused
        pairs[key] = unquote(value.strip(), errors="strict")
    return pairs


def flatten_table(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """`{"host": {"name": "x"}}` as `{"host.name": "x"}`: TOML nests what has dots."""
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flatten_table(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _attributes(raw: object, _: Place) -> dict[str, str | bool | int | float]:
    pairs = parse_pairs(raw) if isinstance(raw, str) else raw
    if not isinstance(pairs, Mapping):
        raise Refused
    attributes: dict[str, str | bool | int | float] = {}
    for key, value in flatten_table(pairs).items():
        if not isinstance(value, str | bool | int | float):
            raise Refused
        attributes[key] = value
    return attributes


def _format_attributes(attributes: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in attributes.items()) or "none"


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")


def _headers(raw: object, _: Place) -> dict[str, str]:
    pairs = parse_pairs(raw) if isinstance(raw, str) else raw
    if not isinstance(pairs, Mapping):
        raise Refused
    headers: dict[str, str] = {}
    for given, value in pairs.items():
        name = str(given).lower()
        # A line break in a value would let it add headers of its own.
        sound = isinstance(value, str) and value.isprintable()
        if not sound or not _HEADER_NAME.fullmatch(name):
            raise Refused
        headers[name] = value
    return headers


def _format_headers(headers: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={MASK}" for name in headers) or "none"


_NOWHERE = Place(Path("/"), Path("/"))

TEXT = Kind("text", "some text", _text, _format_optional)
SERIALIZER = Kind(
    "serializer",
    "smart, repr, json, or the dotted name of a function, such as desk.show.order",
    _serializer,
    _format_optional,
)
BOOLEAN = Kind(
    "boolean",
    "true or false",
    _boolean,
    lambda value: _format_optional(value).lower(),
    _otel_boolean,
    lenient=True,
)
PATH = Kind("path", "a path", resolve_path, _format_optional)
PATH_OR_NONE = Kind("path", "a path, or none", _path_or_none, _format_optional)
READABLE_FILE = Kind("file", "a file that exists and can be read", _existing_file, _format_optional)
URLS = Kind(
    "URLs",
    "an address such as http://localhost:4318, or several",
    _urls,
    lambda urls: "none" if urls is None else mask_urls(urls),
    show_raw=_show_urls,
    holds_secret=_holds_password,
)
PATTERNS = Kind(
    "patterns",
    "regular expressions: a list, or text with one per line or separated by ;",
    _patterns,
    _format_patterns,
)
ATTRIBUTES = Kind(
    "attributes",
    "key1=value1,key2=value2 (percent-encoded), or a table of text, numbers and booleans",
    _attributes,
    _format_attributes,
    lambda raw: _attributes(raw, _NOWHERE),
    lenient=True,
)
HEADERS = Kind(
    "headers",
    "name1=value1,name2=value2 (percent-encoded), or a table of text",
    _headers,
    _format_headers,
    show_raw=lambda _: MASK,
    holds_secret=lambda _: True,
)
