"""How long the end of a run, and of an agent, waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tradespan.forward.books import Books
from tradespan.forward.courier import Courier
from tradespan.forward.post import Post
from tradespan.spool.folder import DRAINED, RunFolder, replace_json

NOT_ANSWERING = 0.5
"""Seconds that the end of a run waits for a receiver which does not answer: half of the second that
the bot's exit may take then. The other half goes for closing the books and ending the processes."""

_SLOW = 2.0
"""Seconds that one is waited for which has been slow to answer, at most."""


@dataclass(slots=True)
class Ending:
    """A run that is over, until its books are closed. Monotonic seconds."""

    since: float
    told: float


def is_behind(post: Post, folder: RunFolder, ending: Ending) -> bool:
    """Whether a destination has not looked through the folder since the run ended."""
    looked = post.courier.caught_up(folder)
    return looked is None or looked <= ending.since


def gives_up(behind: list[Courier[Any]], since: float, drain: float, now: float) -> bool:
    """Whether the end of a run waits no longer; forwarding goes on all the same."""
    # The store is local: it is drained to the end as long as it takes anything at all. A receiver
    # has until `drain`, or half a second if it does not answer.
    waited = now - since
    stores = [courier for courier in behind if courier.sink.name == "store"]
    if stores:
        return waited > drain and all(courier.state.failing_since is not None for courier in stores)
    return waited > drain or (
        waited > NOT_ANSWERING and not any(answers(courier, now) for courier in behind)
    )


def answers(courier: Courier[Any], now: float) -> bool:
    """Whether a receiver takes what it is given, or may be expected to (monotonic seconds)."""
    since = courier.sending_since
    return courier.state.failing_since is None and (
        since is None or now - since < _patience(courier)
    )


def _patience(courier: Courier[Any]) -> float:
    # One that is far away, or busy, has said by its last answer how long it takes.
    return max(NOT_ANSWERING, min(3 * courier.took, _SLOW))


def patience_ends(post: Post, begun: float) -> float:
    """Until when an agent that ends (since `begun`) waits for a thread. Monotonic seconds."""
    # The store does not hang, it works.
    since = None if post.courier.sink.name == "store" else post.courier.sending_since
    return begun + NOT_ANSWERING if since is None else since + _patience(post.courier)


def write_books(
    folder: RunFolder,
    count: Callable[[RunFolder], Books],
    behind: list[Courier[Any]],
    *,
    complete: bool,
) -> None:
    """Write `drained.json`: once while something waits, and as all has gone.

    Args:
        folder: Of a run that is over.
        count: Gives its accounting.
        behind: Those that have not taken all.
        complete: Whether nothing is left.
    """
    said = folder.drained
    if not complete and said is not None and said.get("complete") is False:
        return
    why = {"causes": causes} if (causes := name_causes(behind)) else {}
    told = {"complete": complete, **why, **count(folder).to_json()}
    if told != said:
        replace_json(folder.path / DRAINED, told)


def name_causes(behind: Iterable[Courier[Any]]) -> dict[str, str]:
    """Sink → why it has not taken what waits for it, as far as anybody knows."""
    causes = {}
    for courier in behind:
        if courier.state.failing_since is not None:
            causes[courier.sink.name] = courier.state.last_error
        elif courier.sending_since is not None:
            causes[courier.sink.name] = "no answer yet"
    return causes
