"""What the harness itself must see: suites of two lines, played both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.explore import page, results
from tests.explore.compare import find_changed_warnings, find_differences, find_flaky
from tests.explore.expected import Expected
from tests.explore.play import Books, Play, play_bare, play_watched
from tests.explore.sources import NotFetched, ensure_fetched
from tests.explore.subjects import Subject

Make = Callable[..., Subject]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make(code, minutes=…)`: a subject whose suite is this code, and who watches `desk.order`."""

    def make(code: str, **facts: Any) -> Subject:
        suite = tmp_path / "test_suite.py"
        suite.write_text(dedent(code))
        (tmp_path / "desk.py").write_text("def order(): ...\n")
        return Subject("made", "pytest", (r"desk\..*",), (str(suite),), **facts)

    return make


def test_a_test_that_fails_only_when_watched_is_a_difference(make: Make) -> None:
    subject = make(
        """
        import sys
        from desk import order

        def test_same():
            order()

        def test_other():
            order()
            assert "tradespan" not in sys.modules
        """
    )
    bare, (watched, books) = play_bare(subject, None), play_watched(subject, None)

    (difference,) = find_differences(bare, watched)
    assert difference.name.endswith("test_suite.py::test_other")
    assert (difference.bare, difference.watched) == ("passed", "failed")
    assert "AssertionError" in difference.detail
    assert books.recorded == books.on_disk == 2
    assert books.balance


def test_a_warning_that_comes_only_when_watched_is_a_difference(make: Make) -> None:
    subject = make(
        """
        import sys, warnings

        def test_it():
            if "tradespan" in sys.modules:
                warnings.warn("seen")
        """
    )
    bare, (watched, _) = play_bare(subject, None), play_watched(subject, None)

    assert find_differences(bare, watched) == []
    (difference,) = find_changed_warnings(bare, watched)
    assert "UserWarning: seen" in difference.name
    assert (difference.bare, difference.watched) == ("0 ×", "1 ×")


def test_a_suite_that_hangs_is_ended_and_the_test_is_named(make: Make) -> None:
    subject = make(
        """
        import threading

        def test_before(): ...

        def test_stuck():
            threading.Event().wait()
        """,
        minutes=0.1,
    )
    play = play_bare(subject, None)

    assert not play.ended
    assert play.last.endswith("test_stuck")
    assert [*play.outcomes.values()] == ["passed"]


def test_each_outcome_is_told_apart(make: Make) -> None:
    subject = make(
        """
        import pytest

        @pytest.fixture
        def broken():
            raise RuntimeError

        @pytest.fixture
        def late():
            yield
            raise RuntimeError

        def test_broken(broken): ...
        def test_late(late): ...
        def test_skipped(): pytest.skip()
        def test_marked(): pytest.xfail()
        """
    )
    play = play_bare(subject, None)

    assert {name.rpartition("::")[2]: outcome for name, outcome in play.outcomes.items()} == {
        "test_broken": "setup failed",
        "test_late": "passed, teardown failed",
        "test_skipped": "skipped",
        "test_marked": "xfailed",
    }
    assert play.count(*results.FAILURES) == 2


def test_what_differs_between_bare_runs_wavers() -> None:
    one = Play(outcomes={"a": "passed", "b": "passed"}, warnings=Counter({"w": 1}))
    other = Play(outcomes={"a": "failed", "b": "passed"}, warnings=Counter({"w": 2}))

    assert find_flaky(one, other) == {"a", "w"}


def test_a_test_that_was_not_run_is_a_difference() -> None:
    (difference,) = find_differences(Play(outcomes={"a": "passed"}), Play())

    assert (difference.bare, difference.watched) == ("passed", "not run")


def test_an_expected_difference_is_one_of_its_suite_and_its_tests_only() -> None:
    expected = Expected("attrs", r"tests/test_x\.py::test_\w+", "counts frames")

    assert expected.explains("attrs", "tests/test_x.py::test_depth")
    assert not expected.explains("click", "tests/test_x.py::test_depth")
    assert not expected.explains("attrs", "tests/test_x.py::test_depth[1]")


def test_records_that_are_neither_found_nor_discarded_break_the_books() -> None:
    assert Books(10, 8, 2, 0, good=True).balance
    assert not Books(10, 8, 1, 0, good=True).balance
    assert not Books(10, 8, 2, 0, good=False).balance


def test_a_package_without_a_pin_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pins = tmp_path / "pins.txt"
    pins.write_text("")

    with pytest.raises(NotFetched, match="no pin of attrs"):
        ensure_fetched(["attrs"], pins)


def found_of(bare: Play, watched: Play) -> results.Found:
    subject = Subject("attrs", "attrs", (r"attr\..*",), ("tests",))
    books = Books(1_000, 900, 100, 2**20, good=True)
    differences = find_differences(bare, watched)
    return results.summarize(subject, "26.1.0", (bare, watched), books, differences, 0)


def test_the_page_names_what_nobody_has_explained_and_the_share_that_is_watched() -> None:
    skipped = {"its code uses _getframe": 2}
    functions = {"found": 40, "watched": 38, "skipped": skipped, "left": {"a property": 7}}
    bare = Play({"test_a": "passed", "test_b": "passed"}, ended=True, seconds=2.0)
    watched = Play(
        {"test_a": "passed", "test_b": "failed"}, ended=True, seconds=5.0, functions=functions
    )
    found = found_of(bare, watched)

    written = page.put_into(page.PAGE.read_text(), {"attrs": found})

    assert not results.is_good(found)
    assert "| attrs | attrs 26.1.0 | 2 | 2 / 0 | 1 / 1 | 1 | 2 s | 5 s |" in written
    assert "| attrs | 40 | 38 | 95.0 % | 1,000 | 900 | 100 | yes | 1 MiB |" in written
    assert "| attrs 26.1.0 | found, not watched | its code uses _getframe | 2 |" in written
    assert "| attrs | `test_b` | passed | failed | **not explained** |" in written


def test_a_row_takes_the_place_of_the_suites_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    play = Play({"test_a": "passed"}, ended=True)
    results.keep(found_of(play, Play()), file)
    results.keep(found_of(play, play), file)

    assert [*results.load(file)] == ["attrs"]
    assert results.is_good(results.load(file)["attrs"])


def test_the_page_has_a_place_for_each_table() -> None:
    written = page.put_into(page.PAGE.read_text(), results.load())

    assert written == page.PAGE.read_text()
