"""Functions that look at the frames above them are left alone, and said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
from tradespan.instrument.auto.watcher import Watcher

Watch = Callable[..., Watcher]
Load = Callable[[str], ModuleType]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return sys._getframe(1).f_lineno", "its code uses _getframe"),
        ("return inspect.currentframe().f_back.f_lineno", "its code uses currentframe"),
        ("return inspect.stack()[1].lineno", "its code uses inspect.stack"),
        (
            "warnings.warn('old', DeprecationWarning, stacklevel=2)",
            "with a stacklevel",
        ),
        (
            "warnings.warn('old', stacklevel=2, category=DeprecationWarning)",
            "with a stacklevel",
        ),
        ("logging.warning('old', stacklevel=2)", "with a stacklevel"),
        ("return [sys._getframe(2) for _ in 'a']", "its code uses _getframe"),
        ("return sys.getrefcount(frame)", "its code uses getrefcount"),
        ("warnings.warn('old', DeprecationWarning)", ""),
        ("warnings.warn('old', DeprecationWarning, stacklevel=level())", ""),
        ("return frame.stack()", ""),
        ("warnings.warn('old', UserWarning, 2)", "with a stacklevel"),
        ("warnings.warn('old', UserWarning, stacklevel=frame)", "with a stacklevel"),
        ("warnings.warn('old', UserWarning, stacklevel=frame + 1)", "with a stacklevel"),
        ("warnings.warn('old', UserWarning, stacklevel=1)", ""),
        ("warnings.warn('old', UserWarning, 1)", ""),
        ("print(1, 2, 3)", ""),
    ],
)
def test_what_looks_at_the_frames_above_is_left_alone_and_said(
    captured: Captured,
    desk: Callable[[str], ModuleType],
    watch: Watch,
    body: str,
    reason: str,
) -> None:
    desk(f"import sys, inspect, logging, warnings\nlevel = int\ndef f(frame=None): {body}")
    skipped = watch(r"desk\.f").report.skipped
    if reason:
        assert reason in skipped["desk.f"]
    else:
        assert skipped == {}


def test_a_name_of_inspects_own_counts_as_well(
    desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    desk("from inspect import stack\ndef f(): return stack()[1].lineno")
    assert watch(r"desk\.f").report.skipped == {
        "desk.f": "frame-sensitive: its code uses inspect.stack"
    }


BOOK = ("Book.old", "Book.deprecate")


@pytest.mark.parametrize(
    "call",
    [
        "deprecate()",
        "helpers.deprecate()",
        "self.deprecate()",
        "self.inherited()",
        "Book.inherited()",
    ],
)
def test_who_calls_what_warns_for_its_callers_is_left_alone(
    write: Write, watch: Watch, load: Load, call: str
) -> None:
    warn = "warnings.warn('old', UserWarning, stacklevel=3)"
    write(
        helpers=f"import warnings\ndef deprecate(): {warn}",
        desk=f"""
            import warnings, helpers
            from helpers import deprecate
            class Base:
                def inherited(self=None): {warn}
            class Book(Base):
                def old(self): {call}
                def deprecate(self=None): {warn}
                def new(self): print(1)
        """,
    )
    load("desk")
    report = watch(r"desk\..*").report
    assert set(report.skipped) == {f"desk.{one}" for one in ("Base.inherited", *BOOK)}
    assert ", of which it warns" in report.skipped["desk.Book.old"]
    assert list(report.watched) == ["desk.Book.new"]


def test_looking_at_code_compares_no_bytes_with_texts() -> None:
    # Found by click's own tests, which run `python -bb`: there such a comparison raises.
    program = (
        "from tradespan.instrument.auto.framewise import looks_at_frames\n"
        "def is_dash(value):\n"
        "    return value in (b'-', '-')\n"
        "print(looks_at_frames(is_dash))"
    )
    ran = subprocess.run(
        [sys.executable, "-bb", "-c", program], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("None\n", "")
