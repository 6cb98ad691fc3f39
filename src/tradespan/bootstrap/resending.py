"""Dead letters to the sinks that refused them, put together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tradespan.bootstrap.couriers import build_courier
from tradespan.bootstrap.receivers import sink_name
from tradespan.config import Config
from tradespan.core.delivery import Sink
from tradespan.forward.amends import Amender, Busy, amending
from tradespan.forward.letters import Letter, read_letters
from tradespan.forward.post import Destination
from tradespan.forward.resend import Sent, resend
from tradespan.spool.folder import RunFolder
from tradespan.wire.signals import SIGNALS

DECODERS = {kind: signal.decode for kind, signal in SIGNALS.items()}


@dataclass(frozen=True, slots=True)
class Resent:
    """A letter, and what became of it."""

    folder: RunFolder
    letter: Letter
    sent: Sent


class Resender:
    """Sends the dead letters of any number of runs; a sink that takes nothing is asked once."""

    def __init__(self, config: Config, sink: str | None = None) -> None:
        """`sink`: of this one alone, by its name."""
        self._config = config
        self._only = sink
        self._sinks: dict[tuple[str, str], Sink[Any] | str] = {}
        """Kind and address → the sink, or why there is none."""
        self._silent: dict[str, str] = {}
        """Sink → why it takes nothing now."""

    def work(self, folder: RunFolder) -> Iterator[Resent]:
        """Send a run's dead letters, oldest first."""
        if not read_letters(folder, self._only):
            return
        with suppress(FileNotFoundError):
            try:
                with amending(folder) as amender:
                    # Once more, under the lock: somebody else may just have sent them.
                    for letter in read_letters(folder, self._only):
                        yield Resent(folder, letter, self._send(folder, letter, amender))
            except Busy:
                for letter in read_letters(folder, self._only):
                    reason = "another process works on these dead letters"
                    yield Resent(folder, letter, Sent(0, letter.refused, reason, stopped=True))

    def close(self) -> None:
        """Close the sinks."""
        for sink in self._sinks.values():
            if not isinstance(sink, str):
                sink.close()

    def _send(self, folder: RunFolder, letter: Letter, amender: Amender) -> Sent:
        if letter.sink in self._silent:
            return Sent(0, letter.refused, self._silent[letter.sink], stopped=True)
        sink = self._find(folder, letter.sink)
        if isinstance(sink, str):
            return Sent(0, letter.refused, sink)
        try:
            sent = resend(folder, letter, sink, DECODERS, amender)
        except OSError as error:
            return Sent(0, letter.refused, str(error))
        if sent.stopped:
            self._silent[letter.sink] = sent.reason
        return sent

    def _find(self, folder: RunFolder, name: str) -> Sink[Any] | str:
        """The sink of this name among the run's destinations, or why there is none."""
        for pair in folder.description.get("destinations", []):
            kind, address = map(str, pair)
            if sink_name(kind, address) == name:
                known = self._sinks.get((kind, address)) or self._build(kind, address)
                self._sinks[kind, address] = known
                return known
        return f"the run names no destination {name}"

    def _build(self, kind: str, address: str) -> Sink[Any] | str:
        try:
            courier = build_courier(self._config, Destination(kind, address))
        except Exception as error:  # noqa: BLE001 - a store's or a certificate's: told to the user
            return str(error)
        return f"{kind} is not known to this version" if courier is None else courier.sink
