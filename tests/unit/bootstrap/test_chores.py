"""What an agent does beside forwarding, by settings; and what the doctor says of the way taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.spool.builders import SPAN, make_writer
from tradespan.bootstrap.chores import build_chores
from tradespan.bootstrap.diagnosis import check_spool
from tradespan.config import Config, resolve_config
from tradespan.forward.flush import Flusher
from tradespan.forward.prepare import Preparer
from tradespan.spool.folder import RunFolder
from tradespan.spool.ways import WRITE, Way


def config(root: Path, **environ: str) -> Config:
    return resolve_config({"root": root}, environ={"HOME": str(root), **environ}, directory=root)


@pytest.mark.parametrize("beside", [True, False])
def test_segments_are_prepared_beside_the_bot_only(tmp_path: Path, beside: bool) -> None:
    writer = make_writer(tmp_path / "run")
    writer.ordinary.append(SPAN, 1, b"x")
    chores = build_chores(config(tmp_path), beside=beside)
    (preparer,) = [chore for chore in chores if isinstance(chore, Preparer)]
    preparer.work([RunFolder(tmp_path / "run")])
    assert bool(list((tmp_path / "run").glob(".*.next.seg"))) == beside
    writer.close()


@pytest.mark.parametrize(("said", "flushes"), [("closed", 1), ("interval", 1), ("off", 0)])
def test_setting_says_whether_anything_is_flushed(tmp_path: Path, said: str, flushes: int) -> None:
    chores = build_chores(config(tmp_path, TRADESPAN_FSYNC=said), beside=True)
    assert sum(isinstance(chore, Flusher) for chore in chores) == flushes


def test_doctor_names_the_way_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = check_spool(config(tmp_path))
    assert found.good
    assert f"records go by {found.facts['way']}" in found.says

    def choose(folder: Path) -> Way:
        return Way(WRITE, "allocation cannot be trusted on nfs4")

    monkeypatch.setattr("tradespan.bootstrap.diagnosis.choose_way", choose)
    found = check_spool(config(tmp_path))
    assert "records go by write, because allocation cannot be trusted on nfs4, " in found.says
    assert (found.facts["way"], found.facts["why"]) == (
        "write",
        "allocation cannot be trusted on nfs4",
    )
