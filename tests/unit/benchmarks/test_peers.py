"""The peers' environment: where it stands, when it is made anew, and what if it cannot be."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.peers import PINS, cache_folder, environment_name, measure_peers, peer_rows
from benchmarks.processes import REPOSITORY, ProcessFailed, run, run_for_json, without_homes
from benchmarks.results import Report
from benchmarks.timing import QUICK


def test_a_process_may_print_more_than_a_pipe_holds(tmp_path: Path) -> None:
    program = tmp_path / "long.py"
    program.write_text("print('[' + '0, ' * 100_000 + '0]')")
    assert len(json.loads(run([sys.executable, str(program)], os.environ))) == 100_001


def test_other_pins_make_another_environment(tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("a==1\n")
    first = environment_name(pins)
    pins.write_text("a==2\n")

    assert environment_name(pins) != first
    pins.write_text("a==1\n")
    assert environment_name(pins) == first


def test_environments_stand_in_the_users_cache(tmp_path: Path) -> None:
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "tradespan-bench"
    assert cache_folder({}) == Path.home() / ".cache" / "tradespan-bench"


def test_without_an_environment_the_report_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    report = Report()

    measure_peers(QUICK, report)

    assert report.peers == []
    (note,) = report.notes
    assert note.startswith("Peers: not measured")
    assert "Not a directory" in note


def test_a_peers_row_carries_what_was_measured_beside_it() -> None:
    found = {"peer": "p 1", "sdk": 12.0, "monitor": 1.2, "costs": {"`a`": 9.0, "`b`": 8.0}}

    assert [(row.what, row.cost, row.sdk, row.monitor) for row in peer_rows(found)] == [
        ("`a`", 9.0, 12.0, 1.2),
        ("`b`", 8.0, 12.0, 1.2),
    ]


def test_every_pin_has_a_hash_and_shared_packages_the_projects_version() -> None:
    bench, project = read_pins(PINS), read_pins(PINS.with_name("constraints.txt"))
    shared = bench.keys() & project.keys()

    assert {"ddtrace", "logfire", "prometheus-client", "sentry-sdk"} <= bench.keys()
    assert {"opentelemetry-sdk", "msgspec"} <= shared
    assert {name: bench[name] for name in shared} == {name: project[name] for name in shared}


def read_pins(path: Path) -> dict[str, str]:
    """Version by package; each line of a package goes on with its hashes."""
    pins = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            assert line.endswith("\\"), f"no hash: {line}"
            name, _, version = line.partition(";")[0].rstrip("\\ ").partition("==")
            pins[name.partition("[")[0]] = version.strip()
    return pins


def test_a_process_that_fails_tells_its_last_words() -> None:
    with pytest.raises(ProcessFailed, match="no_such_module"):
        run_for_json("benchmarks.no_such_module")


def test_a_text_for_a_page_names_no_folders_of_the_user() -> None:
    text = without_homes(f"{Path.home()}/x and {REPOSITORY}/src")

    assert text == "~/x and ./src"
