"""What an agent does beside forwarding."""

from __future__ import annotations

from tradespan.config import Config
from tradespan.forward.agent import Chore
from tradespan.forward.limits import SpaceKeeper, SpaceLimits


def build_chores(config: Config, *, beside: bool) -> tuple[Chore, ...]:
    """The chores of one root's agent.

    `beside`: whether the agent is a process of its own, which may do what would hold up the bot.
    """
    spool = config.spool
    return (SpaceKeeper(config.root, SpaceLimits(spool.bytes, spool.age, spool.free)),)
