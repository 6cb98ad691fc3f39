"""A child process decides as its parent did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.config.conftest import Resolve, WriteFile
from tradespan.config import Config, OtlpHttp, override_config, resolve_config
from tradespan.core.errors import InvalidSetting

FILE = """
mode = "paper"
include = ['bot\\.a', 'bot\\.b']
[log]
level = "warning"
[environments.staging]
log_level = "debug"
[otlp]
endpoint = "https://collector"
[otlp.headers]
authorization = "hunter2"
[[map]]
function = 'bot\\.submit'
signal = "order"
[map.fields]
client_id = "args.order.id"
"""


def decide_in_child(parent: Config, environ: Mapping[str, str], **arguments: object) -> Config:
    """Another working directory and another home: neither may matter."""
    child = {"HOME": "/nowhere", **environ, **parent.to_environment()}
    return resolve_config(
        arguments, environ=child, directory=Path("/"), service_default="child-script"
    )


def test_a_child_decides_as_its_parent(resolve: Resolve, write_file: WriteFile) -> None:
    write_file(FILE)
    environ = {"TRADESPAN_ENVIRONMENT": "staging", "TRADESPAN_PORT": "99"}
    options = {"service_default": "bot", "command_line": True}
    parent = resolve(environ, options=options, drain="3s", spool="run", exclude=["x,y;z"])
    child = decide_in_child(parent, environ)

    assert child.values == parent.values
    assert (child.map, child.otlp_traces, child.file) == (
        parent.map,
        parent.otlp_traces,
        parent.file,
    )
    assert child.service_name == "bot"
    assert child.origin("drain") == "option --drain"
    assert child.origin("log.level") == "tradespan.toml:7 environments.staging.log_level"


def test_a_grandchild_decides_as_its_parent(resolve: Resolve, write_file: WriteFile) -> None:
    write_file(FILE)
    parent = override_config(resolve(service="bot"), {"spool": "/runs/1"}, "run")
    child = decide_in_child(parent, {})
    grandchild = decide_in_child(child, {})

    assert grandchild.differences(parent) == ()
    assert grandchild.origin("spool.directory") == "run"


def test_a_childs_own_words_count_as_they_would_have_for_the_parent(resolve: Resolve) -> None:
    parent = resolve({"OTEL_SERVICE_NAME": "parent"}, mode="paper")

    assert decide_in_child(parent, {"OTEL_SERVICE_NAME": "worker"}).service_name == "worker"
    assert decide_in_child(parent, {}, service="code").service_name == "code"
    # The parent's argument outranks a variable here as there; the child's own argument does not.
    assert decide_in_child(parent, {"TRADESPAN_MODE": "backtest"}).mode == "paper"
    assert decide_in_child(parent, {}, mode="live").mode == "live"


def test_no_secret_is_handed_over(resolve: Resolve, write_file: WriteFile) -> None:
    write_file(FILE)
    environ = {"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "key=hunter3"}
    parent = resolve(environ, endpoint="https://me:hunter4@other")
    (text,) = parent.to_environment().values()

    for secret in ("hunter2", "hunter3", "hunter4"):
        assert secret not in text


def test_a_secret_of_the_file_is_read_from_the_file_again(
    resolve: Resolve, write_file: WriteFile
) -> None:
    write_file(FILE)
    child = decide_in_child(resolve(), {})

    assert isinstance(child.otlp_traces, OtlpHttp)
    assert child.otlp_traces.headers == {"authorization": "hunter2"}


def test_a_file_without_secrets_is_not_read_again(resolve: Resolve, write_file: WriteFile) -> None:
    file = write_file('mode = "paper"\n')
    parent = resolve()
    file.write_text("not = [ toml")

    assert decide_in_child(parent, {}).mode == "paper"


def test_a_very_long_file_is_read_again(resolve: Resolve, write_file: WriteFile) -> None:
    tables = "".join(f"[[instrument]]\npattern = 'bot.m{i}'\n" for i in range(1_000))
    write_file('mode = "paper"\n' + tables)
    parent = resolve(service="bot")
    child = decide_in_child(parent, {})

    assert all(len(text) < 100_000 for text in parent.to_environment().values())
    assert len(child.instrument) == 1_000
    assert child.differences(parent) == ()


def test_a_program_may_start_afresh(resolve: Resolve) -> None:
    parent = resolve(mode="paper", spool="/runs/1")
    config = resolve(parent.to_environment(), options={"inherit": False})

    assert (config.mode, config.spool.directory) == ("live", None)


@pytest.mark.parametrize("text", ["{", "[]", '{"entries": [1]}', '{"entries": []}', "1"])
def test_a_handover_of_somebody_else_is_refused(resolve: Resolve, text: str) -> None:
    with pytest.raises(InvalidSetting, match="TRADESPAN_EFFECTIVE"):
        resolve({"TRADESPAN_EFFECTIVE": text})


def test_the_handover_is_json(resolve: Resolve) -> None:
    (text,) = resolve(mode="paper").to_environment().values()

    assert json.loads(text)["entries"][0][:4] == ["mode", "paper", 4, "argument mode"]
