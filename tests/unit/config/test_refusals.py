"""What is unknown or not accepted: one error that names it, its origin, and what would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.conftest import Resolve, WriteFile
from tradespan.core.errors import InvalidPattern, InvalidSetting, UnknownSetting


def test_an_unknown_key_of_the_file_is_named_with_its_line_and_a_near_match(
    resolve: Resolve, write_file: WriteFile
) -> None:
    write_file('mode = "live"\n\n[service]\nnmae = "x"\n')
    with pytest.raises(UnknownSetting) as caught:
        resolve()

    assert str(caught.value) == (
        "Unknown setting: tradespan.toml:4 service.nmae; did you mean service.name?"
    )
    assert (caught.value.name, caught.value.near) == ("service.nmae", "service.name")


def test_the_last_part_of_a_key_is_near_enough(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("max_repr = 5\n")
    with pytest.raises(UnknownSetting, match=r"did you mean capture\.max_repr\?"):
        resolve()


def test_an_unknown_variable_is_named_with_a_near_match(resolve: Resolve) -> None:
    with pytest.raises(UnknownSetting) as caught:
        resolve({"TRADESPAN_SERVCE": "x"})

    assert str(caught.value) == (
        "Unknown setting: environment TRADESPAN_SERVCE; did you mean TRADESPAN_SERVICE?"
    )


def test_variables_of_others_and_internal_ones_are_let_be(resolve: Resolve) -> None:
    config = resolve(
        {
            "OTEL_NO_SUCH_THING": "x",
            "TRADESPAN__INTERNAL": "x",
            "TRADESPAN_TEMPO_BIN": "x",
            "TRADESPANX": "x",
        }
    )

    assert config.warnings == ()


def test_an_unknown_argument_is_named_with_a_near_match(resolve: Resolve) -> None:
    with pytest.raises(UnknownSetting, match="Unknown setting: argument servise; did you mean "):
        resolve(servise="x")


def test_an_unknown_argument_of_a_group_is_near_to_one_of_the_group(resolve: Resolve) -> None:
    with pytest.raises(UnknownSetting, match=r"argument logs\.levle; did you mean logs\.level\?"):
        resolve(**{"logs.levle": "debug"})


def test_an_unknown_table_is_near_to_a_table(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("[metrcs]\nport = 1\n")
    with pytest.raises(UnknownSetting, match=r"toml:1 metrcs; did you mean metrics\?"):
        resolve()


def test_nothing_near_is_no_suggestion(resolve: Resolve) -> None:
    with pytest.raises(UnknownSetting) as caught:
        resolve(zzz=1)

    assert caught.value.near is None
    assert str(caught.value) == "Unknown setting: argument zzz."


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"TRADESPAN_DRAIN": "fast"},
            "Invalid value 'fast' for drain (environment TRADESPAN_DRAIN): "
            "expected a duration such as 500ms, 10s, 2m, 6h or 1d.",
        ),
        (
            {"TRADESPAN_PORT": "70000"},
            "Invalid value '70000' for ui.port (environment TRADESPAN_PORT): "
            "expected a whole number, from 1 to 65,535.",
        ),
        (
            {"TRADESPAN_MODE": "demo"},
            "Invalid value 'demo' for mode (environment TRADESPAN_MODE): "
            "expected live or paper or backtest.",
        ),
        (
            {"TRADESPAN_FOLLOW": "maybe"},
            "Invalid value 'maybe' for follow (environment TRADESPAN_FOLLOW): "
            "expected true or false.",
        ),
        (
            {"TRADESPAN_SPOOL_BYTES": "much"},
            "Invalid value 'much' for spool.bytes (environment TRADESPAN_SPOOL_BYTES): "
            "expected a size such as 256KiB, 100MB or 2GiB, 64KiB or more.",
        ),
        (
            {"TRADESPAN_RETRY_SCALE": "nan"},
            "Invalid value 'nan' for agent.retry_scale (environment TRADESPAN_RETRY_SCALE): "
            "expected a number from 0.0001 to 1000.",
        ),
    ],
)
def test_a_bad_value_is_named_with_what_is_accepted(
    resolve: Resolve, environ: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        resolve(environ)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "[ui]\nport = true\n",
        '[ui]\nport = "many"\n',
        "[ui]\nport = 1.5\n",
        "drain = -1\n",
        "drain = true\n",
        "drain = nan\n",
        "mode = 3\n",
        "include = [1]\n",
        "include = 1\n",
        "root = 1\n",
        "[spool]\nbytes = 1\n",
        "[resource]\nlist = [1]\n",
        '[service]\nname = ""\n',
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    resolve: Resolve, write_file: WriteFile, text: str
) -> None:
    write_file(text)
    with pytest.raises(InvalidSetting, match=r"tradespan\.toml:\d"):
        resolve()


def test_a_value_in_a_tables_place_says_what_the_table_holds(
    resolve: Resolve, write_file: WriteFile
) -> None:
    write_file('service = "x"\n')
    with pytest.raises(InvalidSetting, match="expected a table with name"):
        resolve()


def test_an_overridden_value_may_be_bad(resolve: Resolve, write_file: WriteFile) -> None:
    write_file('drain = "fast"\n')

    assert resolve({"TRADESPAN_DRAIN": "1s"}).drain == 1


def test_opentelemetrys_numbers_and_words_are_ignored_when_bad(
    resolve: Resolve, write_file: WriteFile
) -> None:
    write_file("[limits]\nspan_event_count = 9\n")
    config = resolve(
        {
            "OTEL_SPAN_EVENT_COUNT_LIMIT": "-1",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "carrier/pigeon",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "10s",
            "OTEL_LOG_LEVEL": "WARN",
        }
    )

    assert config.limits.span_event_count == 9
    assert config.log_level == "warning"
    assert [warning.split("for ")[1].split(" ")[0] for warning in config.warnings] == [
        "limits.span_event_count",
        "otlp.protocol",
        "otlp.timeout",
    ]


def test_secrets_are_masked_in_errors(resolve: Resolve) -> None:
    with pytest.raises(InvalidSetting) as headers:
        resolve({"OTEL_EXPORTER_OTLP_HEADERS": "x-url=https://hunter2,hunter2"})
    with pytest.raises(InvalidSetting) as address:
        resolve(endpoint="http://me:hunter2@host:port/")

    assert "hunter2" not in str(headers.value)
    assert "hunter2" not in str(address.value)
    assert "'http://***@host:port/'" in str(address.value)


def test_a_long_value_is_cut_in_the_message(resolve: Resolve) -> None:
    with pytest.raises(InvalidSetting) as caught:
        resolve(mode="x" * 1_000)

    assert len(str(caught.value)) < 250


def test_a_missing_certificate_is_refused(resolve: Resolve, project: Path) -> None:
    with pytest.raises(InvalidSetting, match="a file that exists and can be read"):
        resolve({"OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem"})
    (project / "ca.pem").touch()
    resolve({"OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem"})


def test_segments_that_shrink_are_refused(resolve: Resolve) -> None:
    with pytest.raises(InvalidSetting, match=r"spool\.segment_last \(environment"):
        resolve({"TRADESPAN_SEGMENT_LAST": "64KiB"})
    with pytest.raises(InvalidSetting, match=r"spool\.segment_first \(environment"):
        resolve({"TRADESPAN_SEGMENT_FIRST": "32MiB"})


def test_a_pattern_that_does_not_compile_is_shown_with_a_caret(resolve: Resolve) -> None:
    with pytest.raises(InvalidPattern) as caught:
        resolve({"TRADESPAN_INSTRUMENT": r"good\..*; bot\.(risk"})

    assert str(caught.value).split("\n") == [
        "Invalid regular expression for include (environment TRADESPAN_INSTRUMENT): "
        "missing ), unterminated subpattern at position 5.",
        r"  bot\.(risk",
        "       ^",
    ]
    assert (caught.value.pattern, caught.value.position) == (r"bot\.(risk", 5)


def test_the_caret_stands_below_the_right_line_of_a_long_pattern(resolve: Resolve) -> None:
    with pytest.raises(InvalidPattern) as caught:
        resolve(include=["(?x)\n a\tb\n c\t([d"])

    assert str(caught.value).split("\n")[1:] == ["   c ([d", "      ^"]


def test_a_file_name_pattern_is_recognised(resolve: Resolve) -> None:
    with pytest.raises(InvalidPattern, match=r"Not a file name pattern: write \.\*"):
        resolve(include=["*.risk"])


def test_several_patterns_in_one_variable(resolve: Resolve) -> None:
    config = resolve(
        {
            "TRADESPAN_INSTRUMENT": r"bot\.a{1,2}; bot\.b",
            "TRADESPAN_EXCLUDE": "bot\\.c\n\n bot\\.d \n",
        }
    )

    assert [pattern.pattern for pattern in config.include] == [r"bot\.a{1,2}", r"bot\.b"]
    assert [pattern.pattern for pattern in config.exclude] == [r"bot\.c", r"bot\.d"]


def test_a_listed_pattern_is_taken_whole(resolve: Resolve) -> None:
    config = resolve(include=["a;b", "c"])

    assert [pattern.pattern for pattern in config.include] == ["a;b", "c"]
