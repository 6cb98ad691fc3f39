"""Names of segments. Apart from `layout.py`, because the supervisor reads names, and no frames."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"([0-9]{19})-([0-9a-f]{32})-([oe])-([0-9]{6,10})\.seg")
_LANES = "oe"
AGENTS = "a6e7f0a6e7f0"
"""End of the identity of each writer that is an agent's, and no bot's; by chance it is that of one
in 2 ** 48."""


def is_agents(writer: str) -> bool:
    """Whether a writer (32 hex digits) is an agent's: that it lives says nothing of the run."""
    return writer.endswith(AGENTS)


class SegmentName(NamedTuple):
    """What a segment's file name tells; sorts by age."""

    created: int
    writer: str
    lane: int
    ordinal: int

    def __str__(self) -> str:
        return f"{self.created:019d}-{self.writer}-{_LANES[self.lane]}-{self.ordinal:06d}.seg"

    @property
    def row(self) -> str:
        """`<writer>-<lane>`: the key of a writer's lane in the books."""
        return f"{self.writer}-{_LANES[self.lane]}"

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        """The parts of a file name; None if it is not a segment's."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        created, writer, lane, ordinal = match.groups()
        parsed = cls(int(created), writer, _LANES.index(lane), int(ordinal))
        return parsed if str(parsed) == name else None
