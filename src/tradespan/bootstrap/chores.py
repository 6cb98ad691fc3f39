"""What an agent does beside forwarding."""

from __future__ import annotations

from tradespan.config import Config
from tradespan.forward.agent import Chore
from tradespan.forward.flush import Flusher
from tradespan.forward.prepare import Preparer


def build_chores(config: Config, *, beside: bool) -> tuple[Chore, ...]:
    """The chores of one root's agent.

    `beside`: whether the agent is a process of its own, which may do what would hold up the bot.
    """
    chores: list[Chore] = [Preparer(config.spool.segment_last, prepares=beside)]
    if config.spool.fsync != "off":
        chores.append(Flusher(config.spool.fsync))
    return tuple(chores)
