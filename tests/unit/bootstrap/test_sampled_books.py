"""What sampling left out is told wherever books are shown: without it they would not add up."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.forward.test_sampling import NONE, Traces
from tradespan.bootstrap.couriers import build_courier, read_books
from tradespan.bootstrap.diagnosis import describe_books
from tradespan.bootstrap.places import Place
from tradespan.bootstrap.spoolstatus import look_at
from tradespan.bootstrap.summary import tell_books
from tradespan.cli.spool_status import show
from tradespan.config import load_config
from tradespan.core.records import Kind
from tradespan.forward.post import Destination
from tradespan.forward.sampling import SampledSource
from tradespan.spool.folder import ENDED, RunFolder, replace_json


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a run of 100 traces, of which 10 are slow, sampled and delivered to its store."""
    folder = RunFolder.create(tmp_path, "bot")
    bot = Traces(folder.path)
    folder.describe(destinations=[("store", str(tmp_path / "store.db"))])
    for trace in range(100):
        bot.span(trace, duration=2 * 10**9 if trace < 10 else 10)
    bot.close()
    replace_json(folder.path / ENDED, {"status": 0})
    config = load_config({"root": tmp_path, "sampling_share": 0.0})
    courier = build_courier(config, Destination("store", str(tmp_path / "store.db")))
    assert courier is not None
    while courier.work([folder]):
        pass
    courier.work([folder])
    courier.close()
    assert read_books(folder).sinks["store"].sampled == 90
    return tmp_path


def numbers(text: str, word: str) -> list[str]:
    return re.findall(rf"{word} (\d+)", text)


def test_doctor_tells_what_was_sampled(root: Path) -> None:
    (run,) = look_at(Place(root)).runs
    assert run.books is not None
    assert numbers(describe_books(run.books, run.places), "sampled") == ["90"]


def test_the_line_at_the_end_of_a_run_adds_up(root: Path) -> None:
    (run,) = look_at(Place(root)).runs
    assert run.books is not None
    store = root / "store.db"
    (line,) = tell_books(run.books.to_json(), [("store", str(store))])
    assert line == f"10 spans in the store {store}; 90 spans left out by sampling"


def test_spool_status_has_a_column_of_it(root: Path) -> None:
    out = io.StringIO()
    show(Console(file=out, width=200), look_at(Place(root)))
    assert re.search(r"Sampled", out.getvalue())
    assert re.search(r"\b90\b", out.getvalue())


@pytest.mark.parametrize(
    ("kind", "waits"), [("otlp", True), ("otlp.logs", True), ("otlp.metrics", False)]
)
def test_readings_wait_for_no_verdict(tmp_path: Path, kind: str, waits: bool) -> None:
    config = load_config({"root": tmp_path, "sampling_share": NONE.share})
    courier = build_courier(config, Destination(kind, "http://127.0.0.1:9/v1/any"))
    assert courier is not None
    try:
        source = courier.source(RunFolder(tmp_path))
        assert isinstance(source, SampledSource) is waits
        assert (courier.kind == Kind.METRIC) is not waits
    finally:
        courier.close()
