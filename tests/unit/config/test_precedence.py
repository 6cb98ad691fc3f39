"""Code > environment > file > default, and every value knows who gave it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.conftest import Resolve, WriteFile
from tradespan.config import Layer, load_config, override_config


def test_without_anything_the_defaults_count(resolve: Resolve, home: Path) -> None:
    config = resolve()

    assert config.root == home / ".local/state/tradespan"
    assert config.store_path == config.root / "store.db"
    assert (config.ui.mode, config.ui.port, config.drain) == ("hint", 8420, 10.0)
    assert config.otlp_traces is None
    assert config.warnings == ()
    assert {value.origin for value in config.values.values()} == {"default"}


def test_each_layer_outranks_the_one_below(resolve: Resolve, write_file: WriteFile) -> None:
    assert resolve().ui.port == 8420
    write_file("[ui]\nport = 1111\n")
    assert resolve().ui.port == 1111
    assert resolve({"TRADESPAN_PORT": "2222"}).ui.port == 2222
    assert resolve({"TRADESPAN_PORT": "2222"}, port=3333).ui.port == 3333


def test_every_layer_is_named_as_origin(resolve: Resolve, write_file: WriteFile) -> None:
    write_file('drain = "3s"\n\n[service]\nname = "from-file"\n')
    config = resolve({"TRADESPAN_MODE": "paper"}, port=99)

    assert config.origin("ui.port") == "argument port"
    assert config.origin("mode") == "environment TRADESPAN_MODE"
    assert config.origin("service.name") == "tradespan.toml:4 service.name"
    assert config.origin("drain") == "tradespan.toml:1 drain"
    assert config.origin("forwarder") == "default"
    assert config.values["ui.port"].layer is Layer.ARGUMENT


def test_options_of_a_command_are_named_as_options(resolve: Resolve) -> None:
    config = resolve(options={"command_line": True}, service="x")

    assert config.origin("service.name") == "option --service"


def test_an_argument_of_none_is_not_given(resolve: Resolve) -> None:
    config = resolve({"OTEL_SERVICE_NAME": "x"}, service=None, endpoint=None)

    assert config.service_name == "x"
    assert config.otlp_traces is None


def test_an_empty_variable_counts_as_not_set(resolve: Resolve) -> None:
    assert resolve({"TRADESPAN_PORT": "", "OTEL_SERVICE_NAME": " "}).ui.port == 8420


@pytest.mark.parametrize("none", ["none", "NONE"])
def test_a_store_can_be_switched_off_anywhere(
    resolve: Resolve, write_file: WriteFile, none: str
) -> None:
    assert resolve(store=None).store_path is None
    assert resolve({"TRADESPAN_STORE": none}).store_path is None
    write_file(f'[store]\npath = "{none}"\n')
    assert resolve().store_path is None
    assert resolve(store="x.db").store_path is not None


def test_an_argument_may_be_given_by_its_key(resolve: Resolve, home: Path) -> None:
    config = resolve(**{"spool.directory": home / "run"})

    assert config.spool.directory == home / "run"


def test_the_service_is_named_by_opentelemetrys_variable_first(resolve: Resolve) -> None:
    attributes = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute,team=blue"}
    ours = {**attributes, "TRADESPAN_SERVICE": "ours"}
    theirs = {**ours, "OTEL_SERVICE_NAME": "theirs"}

    assert resolve(attributes).service_name == "attribute"
    assert resolve(ours).service_name == "ours"
    assert resolve(theirs).service_name == "theirs"
    assert resolve(theirs, service="code").service_name == "code"
    assert resolve(theirs).resource["service.name"] == "theirs"
    assert resolve(attributes).origin("service.name") == (
        "environment OTEL_RESOURCE_ATTRIBUTES service.name"
    )


def test_the_callers_name_for_the_service_is_a_default(resolve: Resolve) -> None:
    options = {"service_default": "bot"}

    assert resolve(options=options).service_name == "bot"
    assert resolve(options=options).origin("service.name") == "default"
    assert resolve({"TRADESPAN_SERVICE": "x"}, options=options).service_name == "x"


def test_resource_attributes_of_all_sources_are_merged(
    resolve: Resolve, write_file: WriteFile
) -> None:
    write_file('[resource]\nteam = "file"\nhost.name = "file"\ncores = 8\n')
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "team=environment,region=eu%2Dwest,empty="}
    config = resolve(environ, resource={"team": "code"})

    assert config.resource == {
        "team": "code",
        "region": "eu-west",
        "empty": "",
        "host.name": "file",
        "cores": 8,
        "service.name": "unknown_service",
        "trading.mode": "live",
    }


def test_a_malformed_list_of_resource_attributes_is_ignored_as_a_whole(resolve: Resolve) -> None:
    config = resolve({"OTEL_RESOURCE_ATTRIBUTES": "team=blue,oops"})

    assert "team" not in config.resource
    assert len(config.warnings) == 1
    assert "OTEL_RESOURCE_ATTRIBUTES" in config.warnings[0]


def test_the_trading_mode_is_one_fact_under_two_names(resolve: Resolve) -> None:
    assert resolve({"OTEL_RESOURCE_ATTRIBUTES": "trading.mode=paper"}).mode == "paper"
    assert resolve(mode="backtest").resource["trading.mode"] == "backtest"


@pytest.mark.parametrize(
    ("environ", "disabled"),
    [
        ({}, False),
        ({"OTEL_SDK_DISABLED": "TRUE"}, True),
        ({"TRADESPAN_DISABLED": "1"}, True),
        ({"OTEL_SDK_DISABLED": "false", "TRADESPAN_DISABLED": "1"}, True),
        ({"OTEL_SDK_DISABLED": "false"}, False),
        ({"OTEL_SDK_DISABLED": "1"}, False),
    ],
)
def test_either_variable_disables(
    resolve: Resolve, environ: dict[str, str], disabled: bool
) -> None:
    assert resolve(environ).disabled is disabled


def test_opentelemetrys_boolean_is_true_or_false_and_nothing_else(resolve: Resolve) -> None:
    (warning,) = resolve({"OTEL_SDK_DISABLED": "1"}).warnings

    assert warning.startswith("Ignored: Invalid value '1' for disabled")


def test_paths_start_where_they_are_written(
    resolve: Resolve, home: Path, project: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "settings.toml").write_text('root = "runs"\n[store]\npath = "~/x.db"\n')
    config = resolve(
        {"TRADESPAN_CONFIG": str(elsewhere / "settings.toml"), "TRADESPAN_SPOOL": "spool"}
    )

    assert config.root == elsewhere / "runs"
    assert config.store_path == home / "x.db"
    assert config.spool.directory == project / "spool"


def test_the_root_follows_the_state_directory(resolve: Resolve, home: Path) -> None:
    assert resolve({"XDG_STATE_HOME": "/state"}).root == Path("/state/tradespan")
    assert resolve({"XDG_STATE_HOME": "state"}).root == home / ".local/state/tradespan"


def test_limits_of_spans_fall_back_to_the_general_ones(resolve: Resolve) -> None:
    config = resolve(
        {"OTEL_ATTRIBUTE_COUNT_LIMIT": "7", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "50"}
    )

    assert config.limits.span_attribute_count == 7
    assert config.limits.event_attribute_count == 7
    assert config.limits.attribute_value_length is None
    assert config.limits.span_attribute_value_length == 50
    assert config.limits.span_event_count == 128


def test_a_setting_can_be_replaced_afterwards(resolve: Resolve, home: Path) -> None:
    config = resolve({"TRADESPAN_MODE": "paper"}, port=99)
    replaced = override_config(config, {"root": home / "r", "ui": "off"}, "run")

    assert (replaced.root, replaced.store_path) == (home / "r", home / "r/store.db")
    assert replaced.origin("root") == "run"
    assert (replaced.ui.port, replaced.mode, config.ui.mode) == (99, "paper", "hint")


def test_this_process_is_read_from_its_own_environment(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("TRADESPAN_CONFIG", "none")
    monkeypatch.setenv("TRADESPAN_MODE", "backtest")
    config = load_config({"spool": "here"})

    assert (config.mode, config.spool.directory) == ("backtest", project / "here")


def test_an_option_of_two_words_is_named_as_it_is_written(resolve: Resolve) -> None:
    config = resolve(options={"command_line": True}, max_overhead="0.1")
    assert config.max_overhead == 0.1
    assert config.origin("max_overhead") == "option --max-overhead"
    assert resolve(max_overhead=0).origin("max_overhead") == "argument max_overhead"
