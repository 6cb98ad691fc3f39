"""What may happen to a spool, in any order, and what has to hold after each step.

After each step a reader that knows nothing but the cursor has to find every record that was
acknowledged, that no injected damage touched and that was not read yet: once, with its content, and
nothing else. The books have to say how many the damage took: exactly, where the writer's counter
page is whole; else, and in the one case that FORMAT.md (rule 4) names, no more than are gone.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.fakes import SteppingClock
from tests.support.faulty_files import NO_SPACE, FaultyFiles
from tests.unit.forward.builders import told
from tests.unit.spool.builders import KIB, SPAN, make_writer, overwrite
from tests.unit.spool.model import Key, SpoolModel, WriterModel
from tradespan.core import native
from tradespan.core.delivery import Batch, Cursor
from tradespan.core.records import Kind
from tradespan.forward.books import add_up
from tradespan.forward.source import BatchLimits, FolderSource
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import pack_frame
from tradespan.spool.writer import SpoolLimits, SpoolWriter

LIMITS = SpoolLimits(
    first_segment=4 * KIB, largest_segment=8 * KIB, memory_records=12, memory_bytes=24 * KIB
)
WRITERS = 3
BATCH = BatchLimits(records=10, bytes=6 * KIB)
READS_EACH = 12
"""Reads that a segment may cost whoever reads it to its end, if nothing in it is damaged."""
READS_AGAIN = 3
"""Reads of a segment with each batch, to see that nothing came."""
READS_FOR_DAMAGE = 40

sizes = st.one_of(st.integers(1, 300), st.sampled_from([1, 2, 1_000, 4_000, 9_000, 20_000]))
any_one = st.integers(0, 1_000)
"""Which of those that there are, round and round."""


def pick(things: list[Any], which: int) -> Any:
    return things[which % len(things)]


class SpoolMachine(RuleBasedStateMachine):
    """Up to three writers at once, one reader, one disk, one clock."""

    module: ModuleType | None = None
    """The way: `tradespan._native`, or None for Python."""

    def __init__(self) -> None:
        super().__init__()
        self._module, native.module = native.module, self.module
        self.root = Path(tempfile.mkdtemp(prefix="spool-model-"))
        self.folder = self.root / "run"
        self.files = FaultyFiles()
        self.files.install()
        self.clock = SteppingClock()
        self.model = SpoolModel(self.folder)
        self.alive: list[SpoolWriter] = []
        self.damages = 0
        self.saved = (Cursor(), frozenset[Key]())
        self.held: tuple[Batch[bytes], Cursor] | None = None
        self.source = self._new_source(Cursor())

    def teardown(self) -> None:
        self.source.close()
        for writer in self.alive:
            writer.locks.abandon()
        self.files.remove()
        native.module = self._module
        shutil.rmtree(self.root)

    def _new_source(self, cursor: Cursor) -> FolderSource[bytes]:
        restored = Cursor.from_json(json.loads(json.dumps(cursor.to_json())))
        return FolderSource(RunFolder(self.folder), Kind.SPAN, bytes, restored, BATCH)

    # ── writers ─────────────────────────────────────────────────────────────────────────────────

    def _learn(self, writer: SpoolWriter) -> None:
        """The model's look at what a writer did: each acknowledged record has a place."""
        self.model.scan()
        known = self.model.writers[writer.identity.hex()]
        for lane, row in known.acknowledged.items():
            counters = writer.lanes[lane].counters()
            kept = counters.in_memory, counters.overflow
            if lane == 1 and counters.overflow > known.kept[1][1]:
                assert writer.ordinary.counters().in_memory == 0, "errors are dropped last"
            known.kept[lane] = kept
            known.recovered |= counters.recovered > 0
            nowhere = sum(Key(known.identity, lane, n) not in self.model.written for n in row)
            assert nowhere == sum(kept) or known.folder_deleted

    def _know(self, writer: SpoolWriter) -> None:
        identity = writer.identity.hex()
        self.model.writers[identity] = WriterModel(identity)

    @initialize()
    def start(self) -> None:
        writer = make_writer(self.folder, clock=self.clock, limits=LIMITS)
        self.alive.append(writer)
        self._know(writer)

    @rule()
    def start_another(self) -> None:
        if len(self.alive) < WRITERS:
            self.start()

    def _record(self, which: int, lane: int, size: int, count: int) -> None:
        if not self.alive:
            self.start()
        writer = pick(self.alive, which)
        for number in range(count if size < 1_000 else min(count, 2)):
            payload = self.model.next_payload(size)
            writer.lanes[lane].append(SPAN, number % 4, payload)
            self.model.acknowledge(writer.identity.hex(), lane, payload)
        self._learn(writer)

    @rule(which=any_one, lane=st.integers(0, 1), size=sizes, count=st.integers(1, 25))
    def record(self, which: int, lane: int, size: int, count: int) -> None:
        self._record(which, lane, size, count)

    @rule(which=any_one, size=st.integers(50, 200), count=st.integers(20, 80))
    def record_a_segment(self, which: int, size: int, count: int) -> None:
        self._record(which, 0, size, count)

    @rule(which=any_one)
    def record_everywhere(self, which: int) -> None:
        for lane in (0, 1):
            for place in range(len(self.alive)):
                self._record(place, lane, (8, 120)[which % 2], 1 + which % 20)

    @rule(which=any_one)
    def close(self, which: int) -> None:
        """A closed writer is still there, and may record again."""
        if not self.alive:
            return
        writer = pick(self.alive, which)
        writer.close()
        self._learn(writer)

    @precondition(lambda self: self.alive)
    @rule(which=any_one, lane=st.integers(0, 1), torn=st.integers(0, 300), holes=st.booleans())
    def kill(self, which: int, lane: int, torn: int, holes: bool) -> None:
        """In the middle of an append, of which some bytes are there."""
        writer = pick(self.alive, which)
        self.alive.remove(writer)
        if torn:
            self._tear(writer.identity.hex(), lane, torn, holes)
        writer.locks.abandon()

    def _tear(self, writer: str, lane: int, torn: int, holes: bool) -> None:
        """Begin the frame of a call that never returns, where the next one would stand."""
        model = self.model.open_segment(writer, lane)
        if model is None:
            return
        number = len(self.model.writers[writer].acknowledged[lane]) + 1
        frame = pack_frame(number, SPAN, lane, self.model.next_payload(300))
        whole = 16 + 300
        begun = bytearray(frame[: min(torn, whole - 1)])
        if holes:
            begun[: len(begun) // 2] = bytes(len(begun) // 2)
        if model.scanned + len(frame) <= model.path.stat().st_size:
            overwrite(model.path, model.scanned, bytes(begun))

    @precondition(lambda self: self.alive)
    @rule(which=any_one)
    def fork(self, which: int) -> None:
        """And the parent dies: its child has the same writer, and is another generation."""
        writer = pick(self.alive, which)
        writer._after_fork()  # noqa: SLF001 - what a child does first, without the child
        self._know(writer)

    # ── the reader ──────────────────────────────────────────────────────────────────────────────

    @rule()
    def read(self) -> None:
        if self.held is None:
            self.held = self.source.next_batch()

    @precondition(lambda self: self.held)
    @rule(save=st.booleans())
    def accept(self, save: bool) -> None:
        assert self.held is not None
        (batch, ahead), self.held = self.held, None
        found = self.model.keys_of(batch)
        assert self.model.read.isdisjoint(found)
        self.model.read |= set(found)
        self.source.accept(ahead)
        if save:
            self.saved = ahead, frozenset(self.model.read)

    @precondition(lambda self: self.held)
    @rule()
    def refuse(self) -> None:
        self.held = None

    @rule()
    def read_everything(self) -> None:
        self.held = None
        while (given := self.source.next_batch()) is not None:
            self.held = given
            self.accept(save=True)
        if not self.files.faults:
            assert self.model.on_disk() <= self.model.read, "it has missed something"

    @rule()
    def restart_agent(self) -> None:
        """It knows its last saved cursor only."""
        self.source.close()
        self.held = None
        cursor, read = self.saved
        self.source = self._new_source(cursor)
        self.model.read = set(read)

    @rule()
    def purge(self) -> None:
        """As the agent does: what the only sink has taken is deleted, once its cursor is kept."""
        self.saved = self.source.cursor, frozenset(self.model.read)
        for name in self.source.finished:
            (self.folder / name).unlink(missing_ok=True)
        self.model.remove(set(self.source.finished))

    # ── the world ───────────────────────────────────────────────────────────────────────────────

    @rule(seconds=st.sampled_from([0.001, 0.5, 1.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.step(seconds)

    @rule(hours=st.integers(-48, 48))
    def set_wall_clock(self, hours: int) -> None:
        self.clock.set_wall(self.clock.wall() + hours * 3_600 * 10**9)

    @rule(
        call=st.sampled_from(["create", "allocate", "write", "truncate", "rename", "read", "open"]),
        fault=st.sampled_from(NO_SPACE),
        after=st.integers(0, 6),
    )
    def break_disk(self, call: str, fault: int, after: int) -> None:
        self.files.faults[call] = fault
        self.files.after[call] = after

    @rule(
        which=any_one,
        fault=st.sampled_from(NO_SPACE),
        after=st.integers(0, 2),
        count=st.integers(1, 60),
    )
    def record_on_a_full_disk(self, which: int, fault: int, after: int, count: int) -> None:
        self.break_disk("allocate", fault, after)
        self._record(which, which % 2, 400, count)

    @rule()
    def heal_disk(self) -> None:
        self.files.faults.clear()
        self.clock.step(1.0)

    @rule()
    def settle_down(self) -> None:
        """The disk works again: nothing stays in memory, and what comes is on disk."""
        self.heal_disk()
        for place, writer in enumerate(self.alive):
            writer.close()
            self._record(place, 0, 30, 1)
            writer.close()
            self._learn(writer)
            known = self.model.writers[writer.identity.hex()]
            assert Key(known.identity, 0, len(known.acknowledged[0])) in self.model.written
            assert [writer.lanes[lane].counters().in_memory for lane in (0, 1)] == [0, 0]

    def _settle(self, which: int) -> Path | None:
        paths = self.model.unwritten({writer.identity.hex() for writer in self.alive})
        if not paths:
            return None
        path: Path = pick(paths, which)
        self.model.settled.add(path.name)
        self.damages += 1
        return path

    def _hide(self, path: Path) -> None:
        """Some of it may be zeros now: at the end of what is open, over records from memory."""
        model = self.model.segments[path.name]
        writer = self.model.writers[model.writer]
        writer.hidden |= writer.recovered and not model.closed

    @rule(which=any_one, place=st.integers(0, 9_000), data=st.binary(min_size=1, max_size=80))
    def scramble(self, which: int, place: int, data: bytes) -> None:
        if path := self._settle(which):
            self._hide(path)
            overwrite(path, place % path.stat().st_size, data)

    @rule(which=any_one, place=st.integers(0, 9_000), size=st.integers(1, 5_000))
    def zero(self, which: int, place: int, size: int) -> None:
        if path := self._settle(which):
            self._hide(path)
            length = path.stat().st_size
            overwrite(path, place % length, bytes(min(size, length - place % length)))

    @rule(which=any_one, size=st.integers(0, 9_000))
    def cut(self, which: int, size: int) -> None:
        if path := self._settle(which):
            os.truncate(path, size % (path.stat().st_size + 1))

    @rule(which=any_one, size=st.integers(1, 9_000), seed=st.integers(0, 99))
    def extend(self, which: int, size: int, seed: int) -> None:
        if path := self._settle(which):
            with path.open("ab") as file:
                file.write(random.Random(seed).randbytes(size))

    @rule(which=any_one)
    def delete_segment(self, which: int) -> None:
        if path := self._settle(which):
            path.unlink()
            self.model.remove({path.name})

    @precondition(lambda self: self.folder.exists())
    @rule()
    def delete_folder(self) -> None:
        shutil.rmtree(self.folder)
        self.model.remove(set(self.model.segments))
        for writer in self.alive:
            self.model.writers[writer.identity.hex()].folder_deleted = True

    @precondition(lambda self: self.folder.exists())
    @rule(kept=st.lists(st.booleans(), min_size=1, max_size=16))
    def crash_machine(self, kept: list[bool]) -> None:
        """Everybody dies; of what was not flushed, any pages are there."""
        pages = {name: self.model.page(name) for name in self.model.writers}
        for writer in self.alive:
            writer.locks.abandon()
        self.alive.clear()
        self.damages += 1
        for model in self.model.segments.values():
            self._hide(model.path)
        self.files.crash(self.folder, cycle(kept).__next__)
        for name, page in pages.items():
            self.model.writers[name].page_whole &= self.model.page(name) == page
        gone = {name for name, model in self.model.segments.items() if not model.path.exists()}
        gone -= {path.name.removesuffix(".damaged") for path in self.folder.glob("*.damaged")}
        self.model.remove(gone)
        self.model.settled |= set(self.model.segments)
        self.restart_agent()

    # ── what holds after each step ──────────────────────────────────────────────────────────────

    @invariant()
    def what_is_acknowledged_is_read_once(self) -> None:
        with self.files.healthy():
            fresh = self._new_source(self.source.cursor)
            before = self.files.calls["read"]
            found: list[Key] = []
            batches = 0
            while (given := fresh.next_batch()) is not None:
                batches += 1
                found += self.model.keys_of(given[0])
                fresh.accept(given[1])
            reads = self.files.calls["read"] - before
            fresh.close()
            assert sorted(found) == sorted(self.model.on_disk() - self.model.read)
            most = (READS_EACH + READS_AGAIN * batches) * len(self.model.segments)
            most += READS_FOR_DAMAGE * self.damages
            assert reads <= most
            self._check_books(self.source.cursor)
            self._check_books(fresh.cursor)

    def _check_books(self, cursor: Cursor) -> None:
        books = add_up(RunFolder(self.folder), {"sink": cursor})
        sink = books.sinks["sink"]
        assert books.recorded == told(books, "sink"), books
        found = self.model.on_disk() | self.model.read
        assert sink.accepted + sink.on_disk == len(found)
        least = most = 0
        for writer in self.model.writers.values():
            lost = self.model.lost(writer, found)
            most += lost
            if not (writer.page_whole and self.model.page(writer.identity)):
                # What was in its memory is known to nobody, and counts as lost where it has to.
                most += sum(map(sum, writer.kept))
            elif not writer.hidden:
                least += lost
        assert least <= sink.unaccounted <= most, (least, most, books)
