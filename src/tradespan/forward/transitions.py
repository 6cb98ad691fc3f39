"""What a courier does with a sink's answer, as a table."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tradespan.core.delivery import Accepted, Denied, Outcome, Parked, Retry, Split


class State(StrEnum):
    """What a courier is waiting for; shown in the agent's status."""

    READY = "ready"
    WAITING = "waiting"
    """For the receiver: its back-off, or what it asked for."""
    DENIED = "denied"
    """For a token or for rights: one record is tried every now and then."""


class Action(StrEnum):
    """What becomes of the piece of a batch that was sent."""

    ACKNOWLEDGE = "acknowledge"
    KEEP = "keep"
    """To be sent again, byte for byte."""
    PROBE = "probe"
    """To be sent again, with one record first; of one record, another takes its turn."""
    HALVE = "halve"
    PARK = "park"


class Transition(NamedTuple):
    """What an outcome leads to. The first that fits counts."""

    outcome: type[Outcome]
    of_one: bool | None
    """Whether the piece is one record; None: it does not matter."""
    others_taken: bool | None
    """Whether something of the batch was taken since it was denied; None: it does not matter."""
    action: Action
    state: State


TRANSITIONS = (
    Transition(Accepted, None, None, Action.ACKNOWLEDGE, State.READY),
    Transition(Retry, None, None, Action.KEEP, State.WAITING),
    Transition(Split, False, None, Action.HALVE, State.READY),
    Transition(Split, True, None, Action.PARK, State.READY),
    Transition(Parked, None, None, Action.PARK, State.READY),
    Transition(Denied, None, False, Action.PROBE, State.DENIED),
    Transition(Denied, False, True, Action.HALVE, State.READY),
    # Denied `courier.DENIALS` times; until then it is kept.
    Transition(Denied, True, True, Action.PARK, State.READY),
)


def transition(outcome: Outcome, of_one: bool, others_taken: bool) -> Transition:
    """The row of the table for an outcome."""
    return next(
        row
        for row in TRANSITIONS
        if isinstance(outcome, row.outcome)
        and row.of_one in (None, of_one)
        and row.others_taken in (None, others_taken)
    )
