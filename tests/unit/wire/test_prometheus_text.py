"""What a scraper reads, as prometheus_client's own parsers take it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from tradespan.wire.measured import Distribution, Exemplar, Labels, Metric, Point
from tradespan.wire.prometheus_text import Target, accepts_openmetrics, render

# It has no types.
Parse = Callable[[str], Iterable[Any]]
parse_openmetrics: Parse = openmetrics_parser.text_string_to_metric_families
parse_text: Parse = parser.text_string_to_metric_families
SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
START = NOW - 60 * SECOND
TRADES = Metric("trading.trades", "{trade}", "counter", 'Trades, "done"\nby us \\ them.')
VALUE = Metric("trading.portfolio.value", "{currency}", "gauge")
LATENCY = Metric("trading.order.latency", "s", "histogram")
OPEN = Metric("trading.connections", "{connection}", "up_down_counter")
EXEMPLAR = Exemplar(NOW, 0.2, bytes(range(16)), bytes(range(8)))
FACTS = {"service.name": "desk", "service.instance.id": "i-1", "host.name": "h", "real": True}


def target(*points: tuple[Metric, Point], instance: str = "run-1", job: str = "desk") -> Target:
    return Target(job, instance, FACTS, points)


def parsed(*targets: Target, openmetrics: bool) -> dict[str, Any]:
    """Sample name and own labels → the sample, once each."""
    exposition = render(targets, openmetrics=openmetrics)
    assert exposition.problems == []
    parse = parse_openmetrics if openmetrics else parse_text
    found: dict[str, Any] = {}
    for family in parse(exposition.text):
        for sample in family.samples:
            own = {k: v for k, v in sorted(sample.labels.items()) if k != "job"}
            key = sample.name + "".join(f" {k}={v}" for k, v in own.items())
            assert key not in found
            found[key] = sample
    return found


POINTS = (
    (TRADES, Point((("trading.venue", 'a"b\\c\nd'),), START, NOW, 3.0, (EXEMPLAR,))),
    (VALUE, Point((), 0, NOW, -2.5)),
    (OPEN, Point((), START, NOW, 2.0)),
    (
        LATENCY,
        Point((), START, NOW, Distribution((1, 2, 1), (0.1, 0.5), 2.25, 0.05, 1.5), (EXEMPLAR,)),
    ),
)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_points_are_parsed_as_what_they_are(openmetrics: bool) -> None:
    found = parsed(target(*POINTS), openmetrics=openmetrics)

    (trades,) = [s for s in found.values() if s.name == "trading_trades_total"]
    assert trades.labels == {"job": "desk", "instance": "run-1", "trading_venue": 'a"b\\c\nd'}
    assert trades.value == 3.0
    assert found["trading_portfolio_value instance=run-1"].value == -2.5
    assert found["trading_connections instance=run-1"].value == 2.0
    buckets = [found[f"trading_order_latency_seconds_bucket instance=run-1 le={le}"].value
               for le in ("0.1", "0.5", "+Inf")]  # fmt: skip
    assert buckets == [1, 3, 4]
    assert found["trading_order_latency_seconds_count instance=run-1"].value == 4
    assert found["trading_order_latency_seconds_sum instance=run-1"].value == 2.25
    assert found["target_info host_name=h instance=run-1 real=true"].value == 1


def test_types_and_help_are_told() -> None:
    families = {
        f.name: f for f in parse_openmetrics(render([target(*POINTS)], openmetrics=True).text)
    }

    assert families["trading_trades"].type == "counter"
    assert families["trading_trades"].documentation == TRADES.description
    assert families["trading_connections"].type == "gauge"
    assert families["trading_order_latency_seconds"].type == "histogram"
    assert families["trading_order_latency_seconds"].unit == "seconds"
    assert families["target"].type == "info"
    plain = {f.name: f for f in parse_text(render([target(*POINTS)]).text)}
    assert plain["trading_trades"].documentation == TRADES.description


def test_openmetrics_has_exemplars_starts_and_an_end() -> None:
    found = parsed(target(*POINTS), openmetrics=True)
    ids = {"trace_id": bytes(range(16)).hex(), "span_id": bytes(range(8)).hex()}

    (trades,) = [s for s in found.values() if s.name == "trading_trades_total"]
    assert trades.exemplar.labels == {**ids, "tradespan_exemplar": "true"}
    assert (trades.exemplar.value, float(trades.exemplar.timestamp)) == (0.2, NOW / SECOND)
    with_one = [s for s in found.values() if s.exemplar and s.name.endswith("_bucket")]
    assert [sample.labels["le"] for sample in with_one] == ["0.5"]
    assert [s.value for s in found.values() if s.name.endswith("_created")] == [START / SECOND] * 2
    assert render([target(*POINTS)], openmetrics=True).text.endswith("# EOF\n")


def test_plain_text_has_neither() -> None:
    text = render([target(*POINTS)]).text

    assert "EOF" not in text
    assert "_created" not in text
    assert not re.search(r"[^#]# \{", text)


SLIPPAGE = Metric("trading.order.slippage", "1", "histogram")


@pytest.mark.parametrize(
    "fallen",
    [
        Distribution((1, 1, 0), (-0.01, 0.01), -0.02, -0.02, 0.0),
        Distribution((0, 1, 0), (-0.01, 0.01), 0.005, 0.005, 0.005),
        Distribution((2, 0, 0), (0.1, 0.5), -1.5, -2.0, 0.5),
        Distribution((2, 0, 0), (0.1, 0.5), 0.5, -0.5, 1.0),
    ],
    ids=["sum", "bounds", "values", "one value"],
)
def test_sum_that_may_fall_is_no_sum_in_openmetrics(fallen: Distribution) -> None:
    told = target((SLIPPAGE, Point((), START, NOW, fallen)))
    name = "trading_order_slippage"
    found = parsed(told, openmetrics=True)
    assert found[f"{name}_bucket instance=run-1 le=+Inf"].value == fallen.measured
    assert not {f"{name}_{end} instance=run-1" for end in ("sum", "count")} & found.keys()
    assert parsed(told, openmetrics=False)[f"{name}_sum instance=run-1"].value == fallen.sum


@pytest.mark.parametrize("openmetrics", [False, True])
def test_name_of_the_targets_is_taken(openmetrics: bool) -> None:
    mine = Metric("target.info", "", "gauge")
    exposition = render([target((mine, Point((), 0, NOW, 3.0)))], openmetrics=openmetrics)
    assert exposition.text.count("# TYPE target") == 1
    assert "target.info is left out" in exposition.problems[0]


def test_several_runs_share_a_family() -> None:
    value = (VALUE, Point((), 0, NOW, 1.0))
    text = render([target(value), target(value, instance="run-2")]).text

    assert text.count("# TYPE trading_portfolio_value gauge") == 1
    assert len([line for line in text.splitlines() if line.startswith("target_info{")]) == 2
    found = parsed(target(value), target(value, instance="run-2"), openmetrics=True)
    assert found["trading_portfolio_value instance=run-2"].value == 1.0


def test_series_that_ended_are_not_told() -> None:
    text = render([target((VALUE, Point((), 0, NOW, None)))]).text
    assert "\ntrading_portfolio_value" not in text


def test_metrics_of_one_name_in_prometheus_are_told_of() -> None:
    other = Metric("trading_portfolio.value", "", "counter")
    third = Metric("trading.portfolio.value", "", "gauge")
    count = Metric("trading.order.latency.seconds.count", "", "gauge")
    named = [(m, Point((), 0, NOW, 1.0)) for m in (VALUE, third, count, other)]
    exposition = render([target(POINTS[3], *named)])

    assert len(exposition.problems) == 2
    assert all("is left out" in sentence for sentence in exposition.problems)
    list(parse_text(exposition.text))


def test_labels_of_one_name_are_joined() -> None:
    labels: Labels = (("a.b", "1"), ("a_b", "2"), ("instance", "mine"))
    found = parsed(target((VALUE, Point(labels, 0, NOW, 1.0))), openmetrics=True)
    (sample,) = [s for s in found.values() if s.name == "trading_portfolio_value"]

    assert sample.labels["a_b"] == "1;2"
    assert (sample.labels["exported_instance"], sample.labels["instance"]) == ("mine", "run-1")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=150)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9.]{0,8}", fullmatch=True), TEXTS), TEXTS)
def test_any_label_and_description_comes_through(labels: dict[str, str], words: str) -> None:
    metric = Metric("some.gauge", "", "gauge", words)
    point = Point(tuple(labels.items()), 0, NOW, 1.0)
    text = render([target((metric, point))], openmetrics=True).text
    (family,) = [f for f in parse_openmetrics(text) if f.name == "some_gauge"]
    joined = set(family.samples[0].labels.values())

    assert all(any(value in known for known in joined) for value in labels.values())
    # The parser is not strict about blanks around.
    assert family.documentation.split() == words.split()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
        ("application/openmetrics-text; version=1.0.0; q=0.3, text/plain; q=0.9", False),
        ("application/openmetrics-text;version=7.0.0,text/plain;q=0.1", False),
        ("application/openmetrics-text;q=nonsense", False),
        ("application/openmetrics-text;version=1.0.0;q=0", False),
    ],
)
def test_form_is_what_the_scraper_prefers(accept: str, expected: bool) -> None:
    assert accepts_openmetrics(accept) is expected
