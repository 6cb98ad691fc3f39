"""A minute's worth of `make explore`: two suites that the development environment holds."""

from __future__ import annotations

import pytest

from tests.explore.compare import find_changed_warnings, find_differences
from tests.explore.expected import reason_of
from tests.explore.play import play_bare, play_watched
from tests.explore.subjects import Subject

SHORT = [
    Subject(
        "numpy",
        "numpy",
        (r"numpy\..*",),
        ("--pyargs", "numpy.polynomial.tests.test_legendre", "numpy.lib.tests.test_index_tricks"),
    ),
    Subject(
        "zope.interface",
        "zope.interface",
        (r"zope\..*",),
        ("--continue-on-collection-errors", "--pyargs", "zope.interface.tests"),
        environment=(("PURE_PYTHON", "1"),),
    ),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("subject", SHORT, ids=lambda subject: subject.key)
def test_the_same_tests_pass_calls_are_recorded_and_the_books_balance(subject: Subject) -> None:
    bare = play_bare(subject, None)
    watched, books = play_watched(subject, None)

    found = [*find_differences(bare, watched), *find_changed_warnings(bare, watched)]
    assert [each for each in found if reason_of(subject.key, each.name) is None] == []
    assert bare.ended
    assert watched.ended, watched.said
    assert bare.count("passed") > 100
    assert books.balance
    assert books.recorded > 10_000
