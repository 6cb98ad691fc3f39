"""How long operations take: a timer around them, or a start here and an end elsewhere."""

from __future__ import annotations
