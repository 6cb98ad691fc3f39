"""`tradespan spool resend` and `purge`, as called from a shell, with a real receiver."""

from __future__ import annotations

import json
from typing import Any

from tests.support.faults import AcceptPartly, Refuse
from tests.unit.cli.spools import Root, lines_of, status_of
from tradespan.forward.amends import amending

# ── resend ──────────────────────────────────────────────────────────────────────────────────────


def test_refused_records_are_told_with_the_reason(refused: Root, spool: Any) -> None:
    (run,) = status_of(spool)["runs"]
    assert sum(letter["refused"] for letter in run["dead_letters"]) == 10
    assert all("400" in letter["reason"] for letter in run["dead_letters"])
    assert "tradespan spool resend" in spool("status")


def test_dead_letters_go_again_and_count_as_accepted(refused: Root, spool: Any) -> None:
    results = lines_of(spool("resend", "--json"))
    assert sum(each["accepted"] for each in results) == 10
    assert len({span.span_id for span in refused.receiver.spans}) == 10
    assert len(refused.receiver.spans) == 10
    assert (refused.book.accepted, refused.book.parked) == (10, 0)
    assert not (refused.folder.path / "parked").exists()
    assert spool("resend") == ""
    assert "nothing was refused" in spool.err
    assert len(refused.receiver.spans) == 10


def test_dry_run_sends_nothing(refused: Root, spool: Any) -> None:
    requests = len(refused.receiver.requests)
    printed = spool("resend", "--dry-run")
    assert "would send 10 records; nothing was sent" in printed
    assert len(refused.receiver.requests) == requests
    assert refused.book.parked == 10


def test_what_is_refused_again_stays_with_the_new_reason(refused: Root, spool: Any) -> None:
    refused.receiver.play(Refuse(400), times=None)
    results = lines_of(spool("resend", "--json", status=1))
    assert sum(each["still_refused"] for each in results) == 10
    assert (refused.book.accepted, refused.book.parked) == (0, 10)
    refused.receiver.recover()
    spool("resend")
    assert (refused.book.accepted, refused.book.parked) == (10, 0)


def test_receiver_that_is_down_leaves_dead_letters_alone(refused: Root, spool: Any) -> None:
    refused.receiver.stop()
    printed = spool("resend", status=1)
    assert "0 records accepted, 10 stay" in printed
    assert (refused.book.accepted, refused.book.parked) == (0, 10)


def test_part_of_a_batch_that_was_refused_counts_alone(root: Root, spool: Any) -> None:
    root.bot.record(10)
    root.bot.record(5, failed=True)
    root.end()
    root.receiver.play(AcceptPartly(rejected=3), times=1)
    root.deliver()
    assert (root.book.accepted, root.book.parked) == (12, 3)
    spool("resend")
    assert (root.book.accepted, root.book.parked) == (15, 0)


def test_two_at_once_do_not_send_twice(refused: Root, spool: Any) -> None:
    with amending(refused.folder):
        printed = spool("resend", status=1)
    assert "another process works on these dead letters" in printed
    assert refused.receiver.spans == []


def test_what_a_killed_process_counted_already_is_not_counted_twice(
    refused: Root, spool: Any
) -> None:
    files = sorted((refused.folder.path / "parked").rglob("*.*"))
    contents = {path: path.read_bytes() for path in files}
    spool("resend")
    last = json.loads((refused.folder.path / "amends.json").read_text())["settled"]
    # As after a kill between counting and deleting.
    for name in last:
        path = refused.folder.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[path])
    spool("resend", status=0)
    assert (refused.book.accepted, refused.book.parked) == (10, 0)
    assert len(refused.receiver.spans) == 10


def test_letters_of_one_sink_can_be_chosen(refused: Root, spool: Any) -> None:
    spool("resend", "--sink", "store", status=1)
    assert "no dead letter of store; there are some of otlp-" in spool.err
    sink = status_of(spool)["runs"][0]["dead_letters"][0]["sink"]
    spool("resend", "--sink", sink)
    assert refused.book.parked == 0


# ── purge ───────────────────────────────────────────────────────────────────────────────────────


def test_delivered_run_is_deleted_once_it_is_agreed(root: Root, spool: Any) -> None:
    root.bot.record(10)
    root.end()
    root.deliver()
    root.close_books()
    spool("purge", status=2)
    assert "nothing was deleted: say --yes" in spool.err
    assert root.folder.path.exists()
    assert "no record would be lost" in spool("purge", "--dry-run")
    spool("purge", "--yes", "--older-than", "1h")
    assert root.folder.path.exists()
    spool("purge", "--yes")
    assert not root.folder.path.exists()


def test_run_that_goes_on_or_is_not_delivered_stays(root: Root, spool: Any) -> None:
    root.bot.record(10)
    root.close_books()
    before = sorted(root.path.rglob("*"))
    for words in ([], ["--parked"], ["--damaged"], ["--parked", "--damaged"]):
        spool("purge", "--yes", *words)
        assert "nothing to delete" in spool.err
    assert sorted(root.path.rglob("*")) == before


def test_dead_letters_that_are_deleted_are_counted_with_their_reason(
    refused: Root, spool: Any
) -> None:
    printed = spool("purge", "--parked", "--yes")
    assert "10 records would be lost" in printed
    assert refused.book.discarded == {"purged": 10}
    assert (refused.book.parked, refused.book.unaccounted) == (0, 0)
    assert f"10 records discarded before {refused.receiver.address} (spans)" in spool("status")


def test_run_that_does_not_balance_goes_only_if_damaged_ones_are_named(
    root: Root, spool: Any
) -> None:
    root.bot.record(200)
    root.end()
    (lost, *_) = root.folder.segments()
    (root.folder.path / str(lost)).rename(root.folder.path / f"{lost}.damaged")
    root.deliver()
    root.close_books()
    spool("purge", "--yes")
    assert root.folder.path.exists()
    printed = spool("purge", "--yes", "--damaged")
    assert "unaccounted for" in printed
    assert not root.folder.path.exists()
