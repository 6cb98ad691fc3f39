"""kill -9: what was acknowledged over a pipe is in the files, whole."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.unit.spool.builders import python, read_folder
from tradespan.core.delivery import Cursor
from tradespan.forward.books import add_up
from tradespan.spool.folder import RunFolder


@pytest.mark.parametrize("until", [1, 700, 3_000, 9_000])
def test_killed_process_loses_nothing_that_it_acknowledged(
    way: str, tmp_path: Path, until: int
) -> None:
    with python("-m", "tests.unit.native.bot", str(tmp_path)) as child:
        assert child.stdout is not None
        said = child.stdout.read(8 * until)
        child.kill()
        said += child.stdout.read()
    acknowledged = len(said) // 8
    found = [msgspec.msgpack.decode(record.payload) for record in read_folder(tmp_path)]
    assert all(value == [n, "x" * (n % 200), {"n": n}] for value in found for n in value[:1])
    numbers = sorted(value[0] for value in found)
    assert acknowledged >= until
    # One call may have been under way: written, and not yet acknowledged.
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) in {acknowledged, acknowledged + 1}
    books = add_up(RunFolder(tmp_path), {"nobody": Cursor()})
    assert books.sinks["nobody"].unaccounted == 0
    assert books.recorded == len(numbers)
