"""The C module itself: what it refuses, where it is used, and how it is built."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.native.ways import compiled
from tests.unit.spool.builders import REPOSITORY
from tradespan.core import native
from tradespan.spool.layout import PayloadTooLong
from tradespan.wire.codec import encode_record

SPAN = 16


def counter() -> memoryview:
    return memoryview(bytearray(8)).cast("Q")


@pytest.mark.parametrize(
    "arguments",
    [(SPAN, 1), (256, 1, b"x"), (-1, 1, b"x"), ("x", 1, b"x"), (SPAN, 1, "text")],
)
def test_wrong_arguments_are_refused_without_a_number(arguments: tuple[Any, ...]) -> None:
    cell = counter()
    lane = compiled().Lane(0, cell, encode_record, lambda site, frame: None, PayloadTooLong)
    with pytest.raises((TypeError, ValueError)):
        lane.append(*arguments)
    lane.append(SPAN, 1, b"x")
    assert cell[0] >> 16 == 1


@pytest.mark.parametrize(("size", "position"), [(4096, -8), (4096, 4097), (4096, 4), (4096, 4104)])
def test_place_outside_its_mapping_is_refused(size: int, position: int) -> None:
    mapped = mmap.mmap(-1, size)
    with pytest.raises(ValueError, match="no place of a frame"):
        compiled().Place(mapped, position)
    mapped.close()


@pytest.mark.parametrize("cells", [bytearray(7), bytearray(8), memoryview(bytes(8)).cast("Q")])
def test_counter_that_is_no_writable_cell_is_refused(cells: Any) -> None:
    with pytest.raises((ValueError, BufferError)):
        compiled().Lane(0, cells, encode_record, lambda site, frame: None, PayloadTooLong)


def describe_in_child(code: str = "", **environment: str) -> str:
    """What a fresh process says of the way it takes."""
    script = f"{code}\nfrom tradespan.core import native; print(native.describe())"
    return subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_switch_in_the_environment_chooses_python() -> None:
    assert describe_in_child(TRADESPAN_PURE="1") == ("pure Python, because TRADESPAN_PURE is set")
    compiled()
    assert describe_in_child(TRADESPAN_PURE="0") == "native"


def test_missing_module_is_no_error() -> None:
    hide = "import sys; sys.modules['tradespan._native'] = None"
    assert describe_in_child(hide, TRADESPAN_PURE="").startswith("pure Python, because ")


def test_module_of_another_version_is_not_used() -> None:
    compiled()
    change = "import tradespan._native as m; m.INTERFACE += 1"
    assert describe_in_child(change, TRADESPAN_PURE="") == (
        "pure Python, because the C module was compiled from another version"
    )


def build_wheel(folder: Path, **environment: str) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY,
        env=os.environ | environment,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_wheel_without_a_compiler_is_pure_python(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, CC="no-such-compiler")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "tradespan/spool/lane.py" in names
    assert not [name for name in names if name.endswith((".so", ".c", ".h"))]


def test_wheel_with_a_compiler_is_of_this_platform(tmp_path: Path) -> None:
    compiled()
    wheel = build_wheel(tmp_path)
    assert "-none-any" not in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    (module,) = (name for name in names if name.endswith((".so", ".c", ".h")))
    assert module.startswith("tradespan/_native.")


def test_description_says_which_way_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "module", None)
    monkeypatch.setattr(native, "why_pure", "of a reason")
    assert native.describe() == "pure Python, because of a reason"
