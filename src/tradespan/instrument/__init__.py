"""Capture: our tracer on the public OpenTelemetry API, `@monitor`, and any code by regex.

The package goes by the name of a function: `tradespan.instrument(module)` is what the docs say, and
importing anything from this room puts the room in the function's place. So it is callable.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# First of all: it chooses the context runtime before anything else imports OpenTelemetry's.
from tradespan.instrument import context as context


class _CallableRoom(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As `tradespan.instrument.byname.instrument`."""
        return import_module("tradespan.instrument.byname").instrument(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableRoom
