"""`[[instrument]]` and `[[map]]` tables."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Resolve, WriteFile
from tradespan.config import Condition, Converted, FromArguments, FromResult, FromSelf, Literal
from tradespan.core.errors import ConfigurationError, InvalidPattern, InvalidSetting, UnknownSetting


def test_options_of_a_pattern_are_read(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("""
[[instrument]]
pattern = 'bot\\.a\\..*'

[[instrument]]
pattern = 'bot\\.b'
process_group = "risk"
sample_rate = 0.25
capture = { args = false }
min_duration = "2ms"
durable = true

[[instrument]]
pattern = 'c'
capture = false
""")
    plain, full, silent = resolve().instrument

    assert plain.pattern.pattern == r"bot\.a\..*"
    assert (plain.process_group, plain.sample_rate, plain.durable) == (None, None, None)
    assert (plain.capture, plain.min_duration) == ({}, None)
    assert (full.process_group, full.sample_rate, full.durable) == ("risk", 0.25, True)
    assert (full.capture, full.min_duration) == ({"args": False}, 0.002)
    assert silent.capture == {"args": False, "result": False}
    assert full.origin == "tradespan.toml:5 instrument[1]"


def test_what_a_function_promises_and_hides_is_read(
    resolve: Resolve, write_file: WriteFile
) -> None:
    write_file("""
[[instrument]]
pattern = 'bot'
slow = "250ms"
max_repr = 80
serializer = "desk.show.order"
sensitive_fields = ["account", "desk"]
objective = { success = 0.99, latency = "50ms" }
metrics = false
capture = { locals = true, source = true }
""")
    (rule,) = resolve().instrument

    assert (rule.slow, rule.max_repr, rule.metrics) == (0.25, 80, False)
    assert rule.serializer == "desk.show.order"
    assert rule.sensitive_fields == ("account", "desk")
    assert rule.objective == {"success": 0.99, "latency": 0.05}
    assert rule.capture == {"locals": True, "source": True}


def test_what_a_call_means_is_read(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("""
[[map]]
function = 'bot\\.execution\\.submit'
signal = "order.submitted"
[map.fields]
client_id = "args.order.cl_ord_id"
"trading.symbol" = "args.symbol"
trading.venue = "self.venue.name"
status = "result"
first = "result.legs.0.id"
side = "=buy"
empty = "="
size = 3
live = true
""")
    (rule,) = resolve().map

    assert rule.function.pattern == r"bot\.execution\.submit"
    assert rule.signal == "order.submitted"
    assert rule.fields == {
        "client_id": FromArguments("order", ("cl_ord_id",)),
        "trading.symbol": FromArguments("symbol"),
        "trading.venue": FromSelf(("venue", "name")),
        "status": FromResult(),
        "first": FromResult(("legs", "0", "id")),
        "side": Literal("buy"),
        "empty": Literal(""),
        "size": Literal(3),
        "live": Literal(True),
    }
    assert rule.origin == "tradespan.toml:2 map[0]"
    assert rule.events


def test_a_fields_own_words_and_units_are_read(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("""
[[map]]
function = 'f'
signal = "order.submitted"
[map.fields]
"trading.order.side" = { from = "args.o.side", values = { B = "buy", "1" = "sell", x = true } }
trading.order.price = { from = "result.px", factor = 0.01 }
trading.order.status.values = { OPEN = "new" }
trading.order.status.from = "self.state"
[map.fields.size]
from = "args.o.lots"
factor = 100
""")
    (rule,) = resolve().map

    assert rule.fields == {
        "trading.order.side": Converted(
            FromArguments("o", ("side",)), values={"B": "buy", "1": "sell", "x": True}
        ),
        "trading.order.price": Converted(FromResult(("px",)), factor=0.01),
        "trading.order.status": Converted(FromSelf(("state",)), values={"OPEN": "new"}),
        "size": Converted(FromArguments("o", ("lots",)), factor=100),
    }


def test_which_calls_a_table_is_about_is_read(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("""
[[map]]
function = 'f'
signal = "order.filled"
when = { "args.m.kind" = ["fill", 2.0], "result.0" = true }
[[map]]
function = 'f'
signal = "order.cancelled"
[map.when]
self.venue = "KRK"
""")
    filled, cancelled = resolve().map

    assert filled.when == (
        Condition(FromArguments("m", ("kind",)), ("fill", "2")),
        Condition(FromResult(("0",)), ("true",)),
    )
    assert cancelled.when == (Condition(FromSelf(("venue",)), ("KRK",)),)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("{}", ":1 .*map.0..when.*a path and the value"),
        ("'args.kind'", ":4 .*map.0..when.*a table"),
        ("{ 'm.kind' = 'fill' }", ":4 .*when.m.kind.*args.NAME"),
        ("{ '=x' = 'fill' }", ":4 .*when.=x.*args.NAME"),
        ("{ 'args.kind' = [] }", ":4 .*when.args.kind.*or a list of them"),
        ("{ 'args.kind' = [['a']] }", ":4 .*when.args.kind.*or a list of them"),
    ],
)
def test_a_condition_that_says_nothing_to_go_by_is_refused_with_its_line(
    resolve: Resolve, write_file: WriteFile, when: str, message: str
) -> None:
    write_file(f"[[map]]\nfunction='f'\nsignal='a'\nwhen = {when}\n")
    with pytest.raises(InvalidSetting, match=message):
        resolve()


@pytest.mark.parametrize(
    ("field", "error", "message"),
    [
        ("{ from = 'o.side', values = { B = 'buy' } }", InvalidSetting, ":5 .*x.from.*args.NAME"),
        ("{ from = '=B', values = { B = 'buy' } }", InvalidSetting, ":5 .*x.from.*args.NAME"),
        ("{ factor = 2 }", InvalidSetting, ":5 .*a path in from"),
        ("{ from = 'args.o' }", InvalidSetting, ":5 .*either values or factor"),
        ("{ from = 'args.o', factor = 2, values = { B = 'b' } }", InvalidSetting, ":5 .*either"),
        ("{ from = 'args.o', factor = 0 }", InvalidSetting, ":5 .*x.factor.*other than 0"),
        ("{ from = 'args.o', factor = nan }", InvalidSetting, ":5 .*x.factor.*other than 0"),
        ("{ from = 'args.o', factor = '2' }", InvalidSetting, ":5 .*x.factor.*other than 0"),
        ("{ from = 'args.o', factor = true }", InvalidSetting, ":5 .*x.factor.*other than 0"),
        ("{ from = 'args.o', values = {} }", InvalidSetting, ":5 .*either values or factor"),
        ("{ from = 'args.o', values = 'b' }", InvalidSetting, ":5 .*x.values.*a table such as"),
        ("{ from = 'args.o', values = { B = [] } }", InvalidSetting, ":5 .*x.values.B.*a text"),
        ("{ from = 'args.o', value = { B = 'b' } }", UnknownSetting, ":5 .*x.value.*mean values"),
        ("{ form = 'args.o', factor = 2 }", UnknownSetting, ":5 .*x.form.*mean from"),
    ],
)
def test_a_field_that_says_nothing_to_go_by_is_refused_with_its_line(
    resolve: Resolve,
    write_file: WriteFile,
    field: str,
    error: type[ConfigurationError],
    message: str,
) -> None:
    write_file(f"[[map]]\nfunction='f'\nsignal='a'\n[map.fields]\nx = {field}\n")
    with pytest.raises(error, match=message):
        resolve()


def test_calls_may_be_no_events(resolve: Resolve, write_file: WriteFile) -> None:
    write_file("[[map]]\nfunction = 'f'\nsignal = 'feed.update'\nevents = false\n")
    (rule,) = resolve().map
    assert not rule.events


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("[[instrument]]\n", InvalidSetting, r"\(none\) for instrument\[0\]\.pattern"),
        ("[[instrument]]\npattern='('\n", InvalidPattern, r":2 instrument\[0\]\.pattern"),
        ("[[instrument]]\npattern='a'\npatern='b'\n", UnknownSetting, r":3 .*mean pattern\?"),
        ("[[instrument]]\npattern='a'\nsample_rate=2\n", InvalidSetting, ":3 .*from 0 to 1"),
        ("[[instrument]]\npattern='a'\nmin_duration='x'\n", InvalidSetting, ":3 .*a duration"),
        ("[[instrument]]\npattern='a'\ncapture='x'\n", InvalidSetting, ":3 .*table of booleans"),
        ("[[instrument]]\npattern='a'\ncapture.arg=true\n", UnknownSetting, ":3 .*mean args"),
        ("[[instrument]]\npattern='a'\ncapture.args=1\n", InvalidSetting, "table of booleans"),
        ("[[instrument]]\npattern='a'\nmax_repr=0\n", InvalidSetting, ":3 .*from 1 to"),
        ("[[instrument]]\npattern='a'\nserializer='yaml'\n", InvalidSetting, ":3 .*dotted name"),
        ("[[instrument]]\npattern='a'\nserializer='a.2b'\n", InvalidSetting, ":3 .*dotted name"),
        ("[[instrument]]\npattern='a'\nmetrics='maybe'\n", InvalidSetting, ":3 .*true or false"),
        ("[[instrument]]\npattern='a'\nobjective=0.9\n", InvalidSetting, ":3 .*table of success"),
        ("[[instrument]]\npattern='a'\nobjective={}\n", InvalidSetting, "table of success"),
        ("[[instrument]]\npattern='a'\nobjective.sucess=1\n", UnknownSetting, ":3 .*success"),
        ("[[instrument]]\npattern='a'\nobjective.success=0\n", InvalidSetting, ":3 .*above 0"),
        ("[[instrument]]\npattern='a'\nobjective.latency='x'\n", InvalidSetting, ":3 .*duration"),
        ("instrument = ['a']\n", InvalidSetting, r"headed \[\[instrument\]\]"),
        ("[instrument]\npattern='a'\n", InvalidSetting, r"headed \[\[instrument\]\]"),
        ("[[map]]\nfunction='f'\n", InvalidSetting, r"\(none\) for map\[0\]\.signal"),
        ("[[map]]\nfunction='f'\nsignal='An Order'\n", InvalidSetting, ":3 .*lower-case name"),
        ("[[map]]\nfunction='f'\nsignal='a'\nevents='x'\n", InvalidSetting, ":4 .*events"),
        ("[[map]]\nsignal='order'\n", InvalidSetting, r"map\[0\]\.function"),
        ("[[map]]\nfunction='f'\nsignal='a'\nfields=1\n", InvalidSetting, ":4 .*a table"),
        (
            "[[map]]\nfunction='f'\nsignal='a'\n[map.fields]\nx='order.id'\n",
            InvalidSetting,
            r"'order\.id' for map\[0\]\.fields\.x \(tradespan\.toml:5 .*args\.NAME",
        ),
    ],
)
def test_a_bad_table_is_refused_with_its_line(
    resolve: Resolve,
    write_file: WriteFile,
    table: str,
    error: type[ConfigurationError],
    message: str,
) -> None:
    write_file(table)
    with pytest.raises(error, match=message):
        resolve()


@pytest.mark.parametrize(
    "path", ["args", "args.", "args.1", "result.", "self..x", "result[0]", "", "args.a-b", "x"]
)
def test_a_path_that_leads_nowhere_is_refused(
    resolve: Resolve, write_file: WriteFile, path: str
) -> None:
    write_file(f"[[map]]\nfunction='f'\nsignal='a'\n[map.fields]\nx='{path}'\n")
    with pytest.raises(InvalidSetting, match=r"map\[0\]\.fields\.x"):
        resolve()
