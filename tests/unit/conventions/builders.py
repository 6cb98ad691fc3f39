"""A user's declarations, sound as they are, for tests that break them."""

from __future__ import annotations

from pathlib import Path

SOUND = """\
groups:
  - id: registry.desk
    type: attribute_group
    display_name: Desk
    brief: What this desk adds.
    attributes:
      - id: desk.book
        type: string
        stability: development
        brief: Which book the trade is in.
        examples: [delta_one]
      - id: desk.urgency
        type:
          members:
            - id: high
              value: high
              brief: At once.
              stability: development
            - id: low
              value: low
              brief: When it suits.
              stability: development
        stability: development
        brief: How soon.
      - id: desk.ticket.id
        type: string
        stability: development
        brief: The ticket.
        examples: [T-1]

  - id: metric.desk.hedge.delay
    type: metric
    metric_name: desk.hedge.delay
    instrument: histogram
    unit: s
    stability: development
    brief: From a fill to its hedge.
    annotations:
      bounds: [0.1, 1.0, 10.0]
    attributes:
      - ref: desk.book
        requirement_level: required
      - ref: trading.venue

  - id: event.desk.book.closed
    type: event
    name: desk.book.closed
    stability: development
    brief: A book was closed.
    annotations:
      severity: warning
      fields: {book: desk.book}
    attributes:
      - ref: desk.book
        requirement_level: required
      - ref: desk.ticket.id
"""


def write(folder: Path, old: str = "", new: str = "", name: str = "desk.yaml") -> Path:
    """The file, with one text in it replaced."""
    assert old in SOUND, f"{old!r} is not in the file"
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SOUND.replace(old, new, 1) if old else SOUND, encoding="utf-8")
    return file


def line_of(text: str, file: Path) -> int:
    """The line, from 1, that a text is in for the first time."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)
