"""The settings file: where it is found, and what is said when it cannot be read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.unit.config.conftest import Resolve
from tradespan.config import resolve_config
from tradespan.config.files import find_settings_file, scan_lines
from tradespan.core.errors import InvalidSetting, UnknownSetting, UnreadableSettings


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_nearest_file_upward_counts(home: Path) -> None:
    outer = write(home / "tradespan.toml", "")
    inner = write(home / "a/b/tradespan.toml", "")
    below = home / "a/b/c"
    below.mkdir()

    assert find_settings_file(below, home) == inner
    assert find_settings_file(home / "a", home) == outer


def test_pyproject_counts_only_with_our_table(home: Path) -> None:
    ours = write(home / "pyproject.toml", '[tool.tradespan]\nmode = "paper"\n')
    write(home / "a/pyproject.toml", '[project]\nname = "tradespan-user"\n')
    write(home / "a/b/pyproject.toml", "[tool.other]\n")

    assert find_settings_file(home / "a/b", home) == ours


def test_our_own_file_outranks_pyproject_beside_it(home: Path) -> None:
    write(home / "pyproject.toml", "[tool.tradespan]\n")
    own = write(home / "tradespan.toml", "")

    assert find_settings_file(home, home) == own


def test_the_search_ends_at_a_repository(home: Path) -> None:
    write(home / "tradespan.toml", "")
    (home / "repository/.git").mkdir(parents=True)
    (home / "repository/src").mkdir()

    assert find_settings_file(home / "repository/src", home) is None


def test_the_search_ends_at_the_home_directory(home: Path, tmp_path: Path) -> None:
    write(tmp_path / "tradespan.toml", "")
    (home / "a").mkdir()

    assert find_settings_file(home / "a", home) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can chown")
def test_a_file_of_another_user_further_up_is_passed_over(tmp_path: Path) -> None:
    shared = write(tmp_path / "tradespan.toml", 'mode = "paper"\n')
    mine = tmp_path / "mine"
    mine.mkdir()
    assert find_settings_file(mine, tmp_path / "elsewhere") == shared

    os.chown(shared, 12_345, 12_345)

    assert find_settings_file(mine, tmp_path) is None
    assert find_settings_file(tmp_path, tmp_path) == shared


def test_pyproject_origins_name_the_whole_key(resolve: Resolve, project: Path) -> None:
    write(project / "pyproject.toml", '[project]\n\n[tool.tradespan.ui]\nmode = "off"\n')
    config = resolve()

    assert config.ui.mode == "off"
    assert config.origin("ui.mode") == "pyproject.toml:4 tool.tradespan.ui.mode"
    assert config.file == project / "pyproject.toml"


def test_a_file_further_up_is_shown_with_its_path(home: Path, project: Path) -> None:
    file = write(home / "tradespan.toml", 'mode = "paper"\n')
    config = resolve_config(environ={"HOME": str(home)}, directory=project)

    assert config.origin("mode") == f"{file}:1 mode"


@pytest.mark.parametrize("by", ["variable", "option"])
def test_a_named_file_is_read_in_place_of_a_search(
    resolve: Resolve, project: Path, by: str
) -> None:
    write(project / "tradespan.toml", 'mode = "paper"\n')
    write(project / "other.toml", 'mode = "backtest"\n')
    environ = {"TRADESPAN_CONFIG": "other.toml"} if by == "variable" else {}
    options = {"config_file": "other.toml"} if by == "option" else {}

    assert resolve(environ, options=options).mode == "backtest"


def test_no_file_is_read_on_request(resolve: Resolve, project: Path) -> None:
    write(project / "tradespan.toml", 'mode = "paper"\n')

    assert resolve({"TRADESPAN_CONFIG": "none"}).mode == "live"
    assert resolve(options={"config_file": "none"}).file is None


def test_a_named_file_that_is_missing_is_an_error(resolve: Resolve, project: Path) -> None:
    with pytest.raises(UnreadableSettings) as caught:
        resolve({"TRADESPAN_CONFIG": "nowhere.toml"})
    assert str(caught.value) == (
        f"The settings file {project / 'nowhere.toml'} (environment TRADESPAN_CONFIG) "
        "cannot be read: No such file or directory."
    )
    with pytest.raises(UnreadableSettings, match=r"\(option --config\)"):
        resolve(options={"config_file": "nowhere.toml", "command_line": True})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[ui\n", "not TOML: .*line 1"),
        (b"\xff\xfe", "not TOML: .*utf-8"),
        (b'mode = "live"\nmode = "paper"\n', "not TOML: .*line 2"),
    ],
)
def test_a_file_that_does_not_parse_is_an_error(
    resolve: Resolve, project: Path, content: bytes, reason: str
) -> None:
    (project / "tradespan.toml").write_bytes(content)
    with pytest.raises(UnreadableSettings, match=reason):
        resolve()


def test_yaml_is_read_by_its_suffix(resolve: Resolve, project: Path) -> None:
    pytest.importorskip("yaml")
    write(
        project / "monitoring.yaml",
        "mode: paper\n"
        "ui: {mode: off, port: 9000}\n"
        "include: ['bot\\..*']\n"
        "environments:\n  staging: {log_level: DEBUG}\n"
        "map:\n- {function: f, signal: order, fields: {client_id: args.order.id}}\n",
    )
    config = resolve({"TRADESPAN_CONFIG": "monitoring.yaml"}, environment="staging")

    assert (config.mode, config.ui.mode, config.ui.port) == ("paper", "off", 9000)
    assert (config.log_level, config.map[0].signal) == ("debug", "order")
    assert config.origin("mode") == "monitoring.yaml mode"


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "1: 2\n", "!!python/object:os.system {}\n"])
def test_yaml_that_is_no_table_of_settings_is_an_error(
    resolve: Resolve, project: Path, text: str
) -> None:
    pytest.importorskip("yaml")
    write(project / "x.yml", text)
    with pytest.raises(UnreadableSettings, match="not YAML"):
        resolve({"TRADESPAN_CONFIG": "x.yml"})


def test_without_pyyaml_the_error_says_what_to_do(
    resolve: Resolve, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    write(project / "x.yaml", "mode: paper\n")
    with pytest.raises(UnreadableSettings, match="PyYAML"):
        resolve({"TRADESPAN_CONFIG": "x.yaml"})


def test_lines_of_keys_are_found_in_every_form() -> None:
    text = """\
drain = "1s"
spool.bytes = 1
"ui"."port" = 2
[a.b]
'c d' = 1
text = '''
[ui]
port = 3
'''
[[map]]
function = "f"
[map.fields]
"trading.symbol" = "x"
[[map]]
[map.fields]
x = "y"
"""
    assert scan_lines(text) == {
        "drain": 1,
        "spool.bytes": 2,
        "ui.port": 3,
        "a.b": 4,
        "a.b.c d": 5,
        "a.b.text": 6,
        "map[0]": 10,
        "map[0].function": 11,
        "map[0].fields": 12,
        "map[0].fields.trading.symbol": 13,
        "map[1]": 14,
        "map[1].fields": 15,
        "map[1].fields.x": 16,
    }


def test_a_key_inside_an_inline_table_is_named_with_the_tables_line(
    resolve: Resolve, project: Path
) -> None:
    write(project / "tradespan.toml", 'ui = { mode = "loud" }\n')
    with pytest.raises(InvalidSetting, match=r"\(tradespan\.toml:1 ui\.mode\)"):
        resolve()
    write(project / "tradespan.toml", "ui = { mood = 1 }\n")
    with pytest.raises(
        UnknownSetting, match=r"tradespan\.toml:1 ui\.mood; did you mean ui\.mode\?"
    ):
        resolve()
