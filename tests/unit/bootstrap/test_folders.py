"""Where a run's records go, and whose root serves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradespan.bootstrap.folders import choose_root
from tradespan.config import resolve_config


def root_of(home: Path, environ: dict[str, str], **arguments: object) -> Path:
    environ = {"HOME": str(home), **environ}
    return choose_root(resolve_config(arguments, environ=environ, directory=home)).root


@pytest.mark.parametrize("environ", [{}, {"TRADESPAN_ROOT": "/a"}])
def test_spool_elsewhere_is_its_own_root_whatever_root_is_named(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    folder = tmp_path / "x"
    assert root_of(tmp_path, environ, spool=str(folder)) == folder
    assert root_of(tmp_path, environ, spool=str(folder), root="/b") == folder
    assert root_of(tmp_path, {**environ, "TRADESPAN_SPOOL": str(folder)}) == folder


def test_run_of_a_root_stays_below_it(tmp_path: Path) -> None:
    told = {"TRADESPAN_ROOT": str(tmp_path / "a"), "TRADESPAN_SPOOL": str(tmp_path / "a/runs/x")}
    assert root_of(tmp_path, told) == tmp_path / "a"


def test_a_root_without_a_spool_is_the_one_that_is_named(tmp_path: Path) -> None:
    assert root_of(tmp_path, {"TRADESPAN_ROOT": "/a"}) == Path("/a")
