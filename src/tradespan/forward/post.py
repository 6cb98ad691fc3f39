"""One destination's thread: a dead receiver holds up nobody else."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from tradespan.core.guard import guarded
from tradespan.core.records import Kind
from tradespan.forward.courier import Courier
from tradespan.spool.folder import RunFolder

RARELY = 10
"""How much less often a courier looks for logs or metrics where it has met none so far: each look
passes over the spans that are new, and keeps a cursor for it: 0.8 ms."""


class Destination(NamedTuple):
    """Where a run's records shall go, as its `run.json` says."""

    kind: str
    """`store`, or a receiver's: `otlp[.SIGNAL][+PROTOCOL]` (bootstrap/receivers.py)."""
    address: str
    """Path or URL, without secrets."""


class Post:
    """Works for one destination until the agent stops."""

    def __init__(
        self, destination: Destination, courier: Courier[Any], stop: threading.Event, poll: float
    ) -> None:
        """`poll`: seconds between two looks while nothing waits."""
        self.destination = destination
        self.courier = courier
        self.folders: list[RunFolder] = []
        """Never changed, only replaced, by the agent's main loop."""
        self.wake = threading.Event()
        self._stop = stop
        self._poll = poll
        self.thread = threading.Thread(
            target=self._run, name=f"tradespan-{courier.sink.name}", daemon=True
        )
        self.thread.start()

    @property
    def pause(self) -> float:
        """Seconds between two looks while nothing waits."""
        unused = self.courier.kind != Kind.SPAN and not self.courier.has_delivered
        return self._poll * (RARELY if unused else 1)

    def cut(self) -> None:
        """Close the sink while it may be at work."""
        with guarded(f"closing {self.courier.sink.name}"):
            self.courier.sink.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.wake.clear()
            with guarded(f"forwarding to {self.courier.sink.name}"):
                if self.courier.work(self.folders):
                    continue
            self.wake.wait(self.pause)
        self.courier.close()
