"""The libraries that figures are held against; none of them has types."""

from __future__ import annotations

from importlib import import_module
from typing import Any

empyrical: Any = import_module("empyrical")
exchange_calendars: Any = import_module("exchange_calendars")
ffn: Any = import_module("ffn")
quantstats: Any = import_module("quantstats.stats")
