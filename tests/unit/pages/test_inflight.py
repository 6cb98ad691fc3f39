"""In-flight tables as files: what is read of damaged and hostile ones, and how they end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.pages.builders import Writer
from tradespan.core import native
from tradespan.pages.inflight import SIZE, FlightTable, read_table
from tradespan.pages.locks import is_held


@dataclass(eq=False)
class Described(Writer):
    """What a table asks of its process generation."""

    description: bytes = b"who records"

    def site_payload(self, site: int) -> bytes:
        return b"%d " % site + bytes(8_000)


@dataclass
class Call:
    """As much of a span as a slot takes."""

    span_id: int
    site: int = 1
    trace_key: bytes = bytes(range(16))
    parent_id: int = 0
    began: int = 1
    offset: int = 2
    flags: int = 0x300
    name_set: str | None = None
    ended: int | None = None
    flights: object = None
    slot: int = 0


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlightTable:
    monkeypatch.setattr(native, "module", None)
    return FlightTable(Described(tmp_path))


def test_no_file_before_the_first_call_and_none_after_an_ordinary_end(table: FlightTable) -> None:
    assert not table.path.exists()
    table.end()
    call = Call(1)
    table.flights.enter(call, False)
    assert table.path.stat().st_size == SIZE
    assert table.path.stat().st_mode & 0o777 == 0o600
    assert is_held(table.path)
    table.flights.leave(call)
    table.end()
    assert not table.path.exists()


def test_end_beside_a_running_call_keeps_the_file_and_says_that_it_was_one(
    table: FlightTable,
) -> None:
    table.flights.enter(Call(1), False)
    table.end()
    read = read_table(table.path)
    assert read is not None
    assert read.ended_cleanly
    assert [call.span_id for call in read.calls] == [1]


def test_sites_that_find_no_room_cost_no_slot(table: FlightTable) -> None:
    for site in range(1, 20):
        table.flights.enter(Call(site, site), False)
    read = read_table(table.path)
    assert read is not None
    assert len(read.calls) == 19
    assert 0 < len(read.sites) < 19
    assert all(payload.startswith(b"%d " % site) for site, payload in read.sites.items())


def test_links_pipes_and_other_files_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "short.inflight").write_bytes(b"tsflight")
    (tmp_path / "zeros.inflight").write_bytes(bytes(SIZE))
    (tmp_path / "link.inflight").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.inflight")
    assert [read_table(path) for path in sorted(tmp_path.iterdir())] == [None] * 4


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_scrambled_table_costs_no_more_than_a_look(table: FlightTable, data: st.DataObject) -> None:
    if not table.path.exists():
        table.flights.enter(Call(5, name_set="x"), True)
    whole = bytearray(table.path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(whole) - 16))
        whole[place : place + 16] = data.draw(st.binary(min_size=16, max_size=16))
    other = table.path.with_suffix(".other")
    other.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    read = read_table(other)
    assert read is None or len(read.calls) <= 1024
