"""What the program logs: recorded without a change to it, and shown to people where it is wished.

`capture` takes the records of `logging`, `structured` those of structlog; `text` is their form for
people.
"""

from __future__ import annotations

from tradespan.signals.logs.structured import structlog_processor

__all__ = ["structlog_processor"]
