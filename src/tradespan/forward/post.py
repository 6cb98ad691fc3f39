"""One destination's thread: a dead receiver holds up nobody else."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from tradespan.core.guard import guarded
from tradespan.forward.courier import Courier
from tradespan.spool.folder import RunFolder


class Destination(NamedTuple):
    """Where a run's records shall go, as its `run.json` says."""

    kind: str
    """`store` or `otlp`."""
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
            self.wake.wait(self._poll)
        self.courier.close()
