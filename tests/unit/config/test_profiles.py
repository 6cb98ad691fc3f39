"""`[environments.NAME]`: chosen by name, overrides the file, and is outranked by variables."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Resolve, WriteFile
from tradespan.core.errors import InvalidSetting, UnknownSetting

PROFILES = """
[log]
level = "warning"

[environments.development]
log_level = "DEBUG"
metrics_enabled = false
trade_execution = false

[environments.production]
log_level = "ERROR"
trade_execution = true
deployment.environment.name = "prod-eu"
"""


@pytest.fixture(autouse=True)
def profiles(write_file: WriteFile) -> None:
    write_file(PROFILES)


def test_no_profile_counts_unless_one_is_chosen(resolve: Resolve) -> None:
    config = resolve()

    assert (config.log_level, config.metrics_enabled) == ("warning", True)
    assert (config.environment, config.trade_execution) == (None, None)
    assert "deployment.environment.name" not in config.resource


@pytest.mark.parametrize(
    "environ",
    [
        {"TRADESPAN_ENVIRONMENT": "development"},
        {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=development"},
    ],
)
def test_a_profile_overrides_the_file(resolve: Resolve, environ: dict[str, str]) -> None:
    config = resolve(environ)

    assert (config.environment, config.log_level) == ("development", "debug")
    assert config.metrics_enabled is False
    assert config.trade_execution is False
    assert config.resource["deployment.environment.name"] == "development"
    assert config.origin("log.level") == "tradespan.toml:6 environments.development.log_level"


def test_a_profile_is_chosen_by_code_or_by_the_file(
    resolve: Resolve, write_file: WriteFile
) -> None:
    assert resolve(environment="development").log_level == "debug"
    write_file('environment = "production"\n' + PROFILES)
    assert resolve().log_level == "error"


def test_a_profile_may_name_the_deployment(resolve: Resolve) -> None:
    config = resolve({"TRADESPAN_ENVIRONMENT": "production"})

    assert (config.environment, config.deployment_environment_name) == ("production", "prod-eu")
    assert config.resource["deployment.environment.name"] == "prod-eu"


def test_variables_and_code_outrank_a_profile(resolve: Resolve) -> None:
    environ = {"TRADESPAN_ENVIRONMENT": "development", "TRADESPAN_LOG_LEVEL": "critical"}

    assert resolve(environ).log_level == "critical"
    assert resolve(environ, metrics_enabled=True).metrics_enabled is True


def test_a_deployment_of_another_name_is_reported_and_has_no_profile(resolve: Resolve) -> None:
    config = resolve({"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=qa-3"})

    assert (config.environment, config.log_level) == (None, "warning")
    assert config.resource["deployment.environment.name"] == "qa-3"
    assert config.warnings == ()


def test_the_environment_in_code_outranks_the_resource_attribute(resolve: Resolve) -> None:
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=qa-3"}

    assert resolve(environ, environment="staging").resource["deployment.environment.name"] == (
        "staging"
    )


def test_an_environment_that_is_no_profile_is_refused(resolve: Resolve) -> None:
    with pytest.raises(InvalidSetting, match="expected development or staging or production"):
        resolve(environment="prodution")


def test_a_misspelt_profile_is_refused(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("[environments.prodution]\n")
    with pytest.raises(UnknownSetting, match=r"did you mean environments\.production\?"):
        resolve()


def test_a_misspelt_key_of_a_profile_is_refused(resolve: Resolve, write_file: WriteFile) -> None:
    write_file('[environments.staging]\nloglevel = "INFO"\n')
    with pytest.raises(UnknownSetting, match=r":2 .*did you mean environments\.staging\.log_level"):
        resolve()


def test_a_profile_that_is_no_table_is_refused(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("[environments]\nstaging = 1\n")
    with pytest.raises(InvalidSetting, match="a table with log_level"):
        resolve()
    write_file("environments = 1\n")
    with pytest.raises(InvalidSetting, match="a table with log_level"):
        resolve()
