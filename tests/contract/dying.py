"""Programs that die, and what has to be there afterwards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.contract.desk import Desk
from tests.support.receiver import Receiver
from tradespan.store.rows import SpanDetail

MESSAGE = "process ended while running"
CAUSE = "tradespan.death.cause"


def write_bot(desk: Desk, text: str) -> Path:
    return desk.write("bot.py", text)


def deaths(desk: Desk) -> list[dict[str, Any]]:
    return [note for folder in desk.folders() for note in folder.deaths()]


def check_closed(
    desk: Desk, receiver: Receiver | None, closed: dict[str, int]
) -> dict[str, SpanDetail]:
    """Name → the closed span in the store; `closed`: how many of each there have to be."""
    stored = [span for span in desk.stored() if span.status_message == MESSAGE]
    assert Counter(span.name for span in stored) == closed
    assert not [span for span in desk.stored() if span.running]
    for span in stored:
        assert span.status == "ERROR"
    if receiver is not None:
        received = [span for span in receiver.spans if span.status_message == MESSAGE]
        assert Counter(span.name for span in received) == closed
        assert {span.status_code for span in received} <= {2}
        counts = Counter(span.span_id for span in receiver.spans)
        assert set(counts.values()) == {1}, "nothing twice"
        for one in received:
            (same,) = [span for span in stored if span.span_id == one.span_id]
            assert one.resource["service.instance.id"] == same.resource["service.instance.id"]
    check_books(desk)
    return {span.name: span for span in stored}


def check_books(desk: Desk) -> None:
    for folder in desk.folders():
        drained = folder.drained
        assert drained is not None
        assert drained["complete"] is True
        for sink in drained["sinks"].values():
            assert sink["unaccounted"] == 0
            # Of a sink of one signal the records of others are none of its business.
            assert sink["accepted"] + sink.get("others", 0) == drained["recorded"]
        assert folder.segments() == []
        assert [*folder.path.glob("*.inflight*")] == []
