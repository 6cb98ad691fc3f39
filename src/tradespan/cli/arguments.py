"""What several commands take on their command line, read and refused in the same words."""

from __future__ import annotations

import argparse

from tradespan.config import parse_duration


def read_limit(text: str) -> int:
    """A number of rows, for argparse."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def read_time(text: str) -> float:
    """Seconds of a duration, for argparse."""
    try:
        return parse_duration(text)
    except ValueError as error:
        message = f"{error}; expected a duration such as 30s, 10m, 2h or 1d"
        raise argparse.ArgumentTypeError(message) from error


def add_endpoint(
    parser: argparse.ArgumentParser, what: str = "OTLP receiver, such as http://localhost:4318"
) -> None:
    """The option that names receivers."""
    message = f"{what}; may be given again"
    parser.add_argument("--endpoint", metavar="URL", action="append", help=message)


def one_or_many(addresses: list[str] | None) -> str | list[str] | None:
    """As the settings take them: an address, or each once of several. None: none was given."""
    many = list(dict.fromkeys(addresses or []))
    return many[0] if len(many) == 1 else many or None
