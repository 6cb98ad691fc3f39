"""What a destination gets that knows finished spans only, as every receiver of OTLP does."""

from __future__ import annotations

from dataclasses import replace

from tradespan.core.delivery import Batch, Outcome, Parked
from tradespan.core.records import OPEN, Span


def keep_finished(batch: Batch[Span]) -> Batch[Span]:
    """The batch without open records; itself if it has none.

    The end of a call says all that its start said. A start sent for itself would be a span of no
    duration, and the end a second span with the same id.
    """
    if not any(span.flags & OPEN for part in batch.slices for span in part.records):
        return batch
    parts = [
        replace(part, records=[span for span in part.records if not span.flags & OPEN])
        for part in batch.slices
    ]
    return replace(batch, slices=[part for part in parts if part.records])


def count_refused(outcome: Outcome, sent: int) -> Outcome:
    """What became of the batch, if that became of the `sent` records: none but those is refused."""
    if isinstance(outcome, Parked) and outcome.count is None:
        return replace(outcome, count=sent)
    return outcome
