"""The bus in forked children."""

from __future__ import annotations

import os
import threading

from tests.unit.pages.children import in_child
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event, EventType

FILLED = EventType.TRADE_FILLED
