"""The rows of `SETTINGS`, what is made of them, and what importing them costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.config.conftest import Resolve
from tradespan.config import SETTINGS, Setting
from tradespan.config.kinds import Place
from tradespan.config.resolve import GROUPS
from tradespan.config.settings import PROFILE_KEYS, Derived
from tradespan.core.errors import AlreadyConfigured

IDS = [setting.key for setting in SETTINGS]


def test_keys_arguments_and_variables_are_unique() -> None:
    variables = [name for setting in SETTINGS for name in setting.variables]

    for names in (IDS, [setting.name for setting in SETTINGS], variables):
        assert len(names) == len(set(names))


@pytest.mark.parametrize("setting", SETTINGS, ids=IDS)
def test_a_row_is_complete(setting: Setting) -> None:
    assert re.fullmatch(r"[a-z][a-z_]*(\.[a-z][a-z_]*)*", setting.key)
    assert setting.doc.endswith(".")
    assert setting.doc[0].isupper() or setting.doc.startswith("none")
    assert setting.default_text
    assert all(name.startswith(("OTEL_", "TRADESPAN_")) for name in setting.variables)
    # OpenTelemetry's variable comes first where both exist.
    assert list(setting.variables) == sorted(setting.variables)


@pytest.mark.parametrize("setting", SETTINGS, ids=IDS)
def test_a_default_is_a_value_that_the_kind_reads_back(setting: Setting) -> None:
    if isinstance(setting.default, Derived) or setting.default is None:
        return
    place = Place(Path("/"), Path("/"))

    assert setting.kind.parse(setting.default, place) == setting.default


def test_a_key_is_the_path_in_the_config(resolve: Resolve) -> None:
    config = resolve()
    for key in IDS:
        group, _, name = key.partition(".")
        if group == "otlp":  # put together as `otlp`
            continue
        if group in GROUPS:
            value = getattr(getattr(config, group), name)
        else:
            value = getattr(config, key.replace(".", "_"))

        assert value == config.values[key].value


def test_profiles_override_settings_that_exist() -> None:
    assert set(PROFILE_KEYS.values()) <= set(IDS)


def test_explain_has_a_row_for_each_setting(resolve: Resolve) -> None:
    rows = resolve({"OTEL_EXPORTER_OTLP_HEADERS": "authorization=x"}, port=99).explain()
    by_key = {row.key: row for row in rows}

    assert [row.key for row in rows] == IDS
    assert by_key["ui.port"][:3] == ("ui.port", "99", "argument port")
    assert by_key["spool.bytes"].value == "2GiB"
    assert by_key["environment"].value == "none"
    assert by_key["otlp.headers"].value == "authorization=***"
    assert all(row.doc for row in rows)


def test_differences_name_both_values_and_origins(resolve: Resolve) -> None:
    first, second = resolve(port=1, endpoint="http://a:secret@c"), resolve(drain=2)
    differences = first.differences(second)

    assert differences == (
        ("drain", "10s (default)", "2s (argument drain)"),
        ("ui.port", "1 (argument port)", "8420 (default)"),
        ("otlp.endpoint", "http://***@c (argument endpoint)", "none (default)"),
        *(
            (f"otlp.{signal}.endpoint", "http://***@c (default)", "none (default)")
            for signal in ("traces", "logs", "metrics")
        ),
    )
    assert "ui.port is 1 (argument port), not 8420 (default)" in str(AlreadyConfigured(differences))


def test_rules_take_part_in_differences(resolve: Resolve, project: Path) -> None:
    before = resolve()
    (project / "tradespan.toml").write_text("[[instrument]]\npattern = 'a'\n")

    assert [difference[0] for difference in before.differences(resolve())] == ["instrument"]


def test_importing_reads_nothing_and_takes_the_standard_library_only() -> None:
    code = (
        "import sys, os\n"
        "os.environ = None\n"
        "before = set(sys.modules)\n"
        "import tradespan.config\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(run.stdout.split()) - {"tradespan"}

    assert imported <= sys.stdlib_module_names
    # Each of them costs a supervisor of 15 MB more than a tenth of what it may have.
    assert not imported & {"dataclasses", "inspect", "asyncio", "http", "logging", "yaml"}
