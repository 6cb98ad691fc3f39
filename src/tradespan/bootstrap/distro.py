"""tradespan under `opentelemetry-instrument`: a distro and a configurator by entry points."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from tradespan.bootstrap.runtime import configure_from
from tradespan.config import load_config
from tradespan.core import guard

_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


class TradespanDistro(BaseDistro):  # type: ignore[misc]  # the API's class has no types
    """Chooses nothing but the configurator: OTEL_* variables mean what the specification says."""

    def _configure(self, **kwargs: Any) -> None:
        return None


class TradespanConfigurator:
    """Puts tradespan's provider in force, in place of the SDK's."""

    def configure(self, **_: Any) -> None:
        """Called by `opentelemetry-instrument` before the program starts; never raises."""
        with guard.guarded("tradespan could not be configured"):
            configure_from(load_config(service_default=program_name(sys.orig_argv)))


def program_name(command: Sequence[str]) -> str:
    """What a user would call the program of a Python command: `__main__` does not say it yet."""
    words = iter(command[1:])
    for word in words:
        if word == "-m":
            return next(words, "python").removesuffix(".__main__")
        if word == "-c":
            break
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return Path(word).resolve().stem
    return "python"
