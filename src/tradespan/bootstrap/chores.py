"""What an agent does beside forwarding."""

from __future__ import annotations

from tradespan.config import Config
from tradespan.forward.agent import Chore
from tradespan.forward.flush import Flusher
from tradespan.forward.limits import SpaceKeeper, SpaceLimits
from tradespan.forward.prepare import MOST, Preparer

_PREPARED_SHARE = 8
"""Part of the spool's bytes that prepared files may take, beside them."""


def build_chores(config: Config, *, beside: bool) -> tuple[Chore, ...]:
    """The chores of one root's agent.

    `beside`: whether the agent is a process of its own, which may do what would hold up the bot.
    """
    spool = config.spool
    chores: list[Chore] = [
        SpaceKeeper(config.root, SpaceLimits(spool.bytes, spool.age, spool.free)),
        Preparer(
            spool.segment_last,
            most=min(MOST, spool.bytes // _PREPARED_SHARE),
            floor=spool.free,
            prepares=beside,
        ),
    ]
    if spool.fsync != "off":
        chores.append(Flusher(spool.fsync))
    return tuple(chores)
