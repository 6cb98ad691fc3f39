"""The encoders' rows: each is there, with a cost and what it is compared with."""

from __future__ import annotations

from benchmarks import __main__ as bench
from benchmarks import encode
from benchmarks.results import Report
from benchmarks.timing import Rounds


def test_each_kind_of_record_and_form_has_a_row() -> None:
    report = Report()
    encode.measure_encoding(Rounds(1, 1), report)
    assert [row.group for row in report.rows] == ["encode"] * 6
    assert all(row.cost > 0 and row.reference and row.ratio for row in report.rows)
    assert len({row.name for row in report.rows}) == 6


def test_the_group_can_be_asked_for_and_is_not_of_the_usual_run() -> None:
    assert bench.read_arguments(["--only", "encode"]).groups == ["encode"]
    assert "encode" not in bench.read_arguments([]).groups
