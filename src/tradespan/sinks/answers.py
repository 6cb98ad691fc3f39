"""What an answer over HTTP means for a batch, as a table that the code runs on.

Source: OTLP specification 1.x, "OTLP/HTTP Response"; where it says to drop, we keep: a local dead
letter, or a wait, is our reading of it (DESIGN 5).

An answer that is none (refused, reset, a time-out, an answer cut off) means retry: what it would
have said is not known. A 2xx whose body is no OTLP answer counts as accepted: the receiver has said
so by its status, and sending again would double the records.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from tradespan.core.delivery import Accepted, Denied, Outcome, Parked, Retry, Split
from tradespan.wire.answers import read_partial_success

LONGEST_WAIT = 3_600.0
"""Seconds of Retry-After that are believed: a slip of the pen must not stop delivery for a year."""
SHOWN = 200
"""Characters of a receiver's own words that are kept with a refusal."""


class Answer(NamedTuple):
    """What the statuses from `first` to `last` mean."""

    first: int
    last: int
    outcome: type[Outcome]
    reason: str


ANSWERS = (
    Answer(100, 199, Retry, "an announcement alone is no answer"),
    Answer(200, 299, Accepted, "taken; a partial success parks what was rejected, a web page "
                               "(text/html) is a portal or a UI: retried"),
    Answer(300, 399, Retry, "the address is wrong, not the records; a redirect is not followed, "
                            "a token stays here"),
    Answer(400, 400, Parked, "invalid; metrics are split first: one point too old refuses its "
                             "whole request"),
    Answer(401, 401, Denied, "tokens are renewed; nothing is lost meanwhile"),
    Answer(403, 403, Denied, "rights are given; nothing is lost meanwhile"),
    Answer(407, 407, Denied, "the proxy wants a token"),
    Answer(408, 408, Retry, "the receiver waited too long for the request"),
    Answer(413, 413, Split, "too large as a whole"),
    Answer(429, 429, Retry, "too much at once; Retry-After counts"),
    Answer(400, 499, Parked, "refused for what it is"),
    Answer(500, 599, Retry, "the receiver is in trouble; Retry-After counts"),
)  # fmt: skip
"""The first row that holds a status counts."""


def meaning(status: int) -> Answer:
    """The row of a status; what is beyond all of them means trouble as well."""
    return next((row for row in ANSWERS if row.first <= status <= row.last), ANSWERS[-1])


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, bisect: bool = False
) -> Outcome:
    """What a receiver's answer means for the batch.

    `headers`: by lower-case names. `bisect`: what is invalid is to be looked for by halving.
    """
    said = f"HTTP {status}: {body[:SHOWN].decode('utf-8', 'replace')}".rstrip(": ")
    outcome = meaning(status).outcome
    if outcome is Accepted:
        if headers.get("content-type", "").lower().startswith("text/html"):
            return Retry(f"a web page answers, no OTLP receiver: {said}")
        return accept_or_park(body)
    if outcome is Retry:
        return Retry(said, retry_after(headers.get("retry-after")))
    if outcome is Denied:
        return Denied(said)
    if outcome is Split or (bisect and status == 400):
        return Split(said)
    return Parked(said)


def accept_or_park(body: bytes) -> Outcome:
    """What the body of a success says: all taken, or all but some."""
    rejected, words = read_partial_success(body)
    if rejected:
        return Parked(f"partial success: {words[:SHOWN] or 'no reason given'}", rejected)
    return Accepted()


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds of a Retry-After header: a number, or an HTTP date; None if it has neither."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000", or no zone: HTTP dates are in UTC
        moment = moment.replace(tzinfo=UTC)
    wait = moment.timestamp() - (time.time() if now is None else now)
    return min(max(wait, 0.0), LONGEST_WAIT)
