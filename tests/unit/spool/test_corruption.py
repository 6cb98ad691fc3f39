"""Any damage to a real segment: reading never fails, never loops, never makes up a record."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.spool.builders import SPAN, make_writer, segment_paths, walk
from tradespan.core.errors import SpoolError
from tradespan.spool.layout import HEADER_SIZE
from tradespan.spool.reader import SegmentReader
from tradespan.spool.writer import SpoolLimits

RECORDS = 300
Record = tuple[int, int, bytes]

places = st.integers(0, 40_000)
damages = st.one_of(
    st.tuples(st.just("write"), places, st.binary(min_size=1, max_size=64)),
    st.tuples(st.just("fill"), places, st.tuples(st.integers(0, 255), st.integers(1, 9_000))),
    st.tuples(st.just("flip"), places, st.integers(0, 7)),
    st.tuples(st.just("cut"), places, st.none()),
    st.tuples(st.just("grow"), places, st.integers(1, 9_000)),
)


@pytest.fixture(scope="module", params=[True, False], ids=["closed", "open"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A segment as a writer left it: closed, or as a killed one does."""
    folder = tmp_path_factory.mktemp("whole")
    random.seed(7)
    writer = make_writer(folder, limits=SpoolLimits(64 * 1024, 64 * 1024))
    for number in range(RECORDS):
        writer.ordinary.append(SPAN, number % 5, random.randbytes(random.randint(1, 200)))
    if request.param:
        writer.close()
    (path,) = segment_paths(folder)
    data = path.read_bytes()
    writer.close()
    return data


def damage(data: bytearray, kind: str, place: int, what: object) -> None:
    place %= max(len(data), 1)
    if kind == "write" and isinstance(what, bytes):
        data[place : place + len(what)] = what
    elif kind == "fill" and isinstance(what, tuple):
        end = min(place + what[1], len(data))
        data[place:end] = bytes([what[0]]) * (end - place)
    elif kind == "flip" and isinstance(what, int) and data:
        data[place] ^= 1 << what
    elif kind == "cut":
        del data[place:]
    elif kind == "grow" and isinstance(what, int):
        data += random.Random(place).randbytes(what)


def read(path: Path) -> Iterator[Record]:
    """All that a reader yields; fails if it does not come to an end."""
    try:
        reader = SegmentReader(path)
    except SpoolError:
        return
    for steps, stretch in enumerate(walk(reader)):
        assert steps < 2_000
        assert stretch.end >= stretch.start
        yield from ((r.sequence, r.kind, r.payload) for r in stretch.records)
    assert stretch.finished
    assert reader.damaged_bytes >= 0
    reader.close()


@settings(max_examples=400, deadline=None)
@given(damages=st.lists(damages, min_size=1, max_size=5))
def test_damaged_segment_yields_only_records_that_were_written(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, damages: list[tuple[str, int, object]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.seg"
    path.write_bytes(whole)
    written = Counter(read(path))
    assert written.total() == RECORDS
    data = bytearray(whole)
    for kind, place, what in damages:
        damage(data, kind, place, what)
    path.write_bytes(data)
    found = Counter(read(path))
    assert found <= written


@settings(max_examples=200, deadline=None)
@given(place=st.integers(HEADER_SIZE + 200, 30_000), what=st.binary(min_size=1, max_size=40))
def test_local_damage_costs_only_the_records_that_it_touches(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, place: int, what: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.seg"
    path.write_bytes(whole)
    written = Counter(read(path))
    data = bytearray(whole)
    data[place : place + len(what)] = what
    path.write_bytes(data)
    found = Counter(read(path))
    # The shortest frame has 24 bytes: 40 bytes touch three at most.
    assert (written - found).total() <= 3


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=3_000))
def test_random_bytes_behind_a_header_are_no_records(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.seg"
    path.write_bytes(whole[: HEADER_SIZE + 40] + content)
    assert set(read(path)) <= {(0, 0, b"")}
