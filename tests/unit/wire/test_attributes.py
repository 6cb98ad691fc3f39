from __future__ import annotations

from tests.unit.wire.builders import SITE, make_span
from tradespan.core.records import Event, Failure, Site
from tradespan.wire.attributes import (
    captured_attributes,
    event_attributes,
    span_attributes,
    span_name,
)

STATIC = {"code.function.name": "momentum_bot.execution.submit", "code.line.number": 64}


def test_a_span_has_its_sites_name_unless_it_brings_its_own() -> None:
    assert span_name(SITE, make_span()) == "momentum_bot.execution.submit"
    assert span_name(SITE, make_span(name="replay")) == "replay"
    assert span_name(SITE, make_span(name="")) == ""


def test_static_facts_arguments_result_and_own_attributes_come_in_this_order() -> None:
    span = make_span(attributes={"own": 1}, arguments=["'AAPL'", 300], result="Order(4)")
    assert list(span_attributes(SITE, span).items()) == [
        *STATIC.items(),
        ("tradespan.args.symbol", "'AAPL'"),
        ("tradespan.args.quantity", 300),
        ("tradespan.result", "Order(4)"),
        ("own", 1),
    ]


def test_what_was_not_captured_is_left_out() -> None:
    assert span_attributes(SITE, make_span()) == STATIC
    assert captured_attributes(SITE, make_span(arguments=[None, 0])) == {
        "tradespan.args.quantity": 0
    }


def test_a_result_that_is_false_was_captured() -> None:
    assert captured_attributes(SITE, make_span(result=False)) == {"tradespan.result": False}


def test_the_spans_own_attributes_win() -> None:
    own = {"code.line.number": 65, "tradespan.args.symbol": "masked", "tradespan.result": 2}
    span = make_span(attributes=own, arguments=["'AAPL'"], result=1)
    assert span_attributes(SITE, span) == {**STATIC, **own}


def test_arguments_beyond_the_known_parameters_are_left_out() -> None:
    assert captured_attributes(Site(1, "bot"), make_span(arguments=[1, 2])) == {}


def test_the_site_is_left_as_it_was() -> None:
    span_attributes(SITE, make_span(attributes={"code.line.number": 1}))
    assert SITE.attributes == STATIC


def test_an_events_own_attributes_win_over_those_of_its_exception() -> None:
    failure = Failure("ValueError", "bad", escaped=False)
    event = Event("exception", 5, {"exception.message": "told otherwise", "retry": 2}, failure)
    assert event_attributes(event) == {
        "exception.type": "ValueError",
        "exception.message": "told otherwise",
        "exception.stacktrace": "ValueError: bad\n",
        "exception.escaped": "False",
        "retry": 2,
    }


def test_an_event_without_exception_has_its_own_attributes() -> None:
    event = Event("tick", 5, {"price": 1.5})
    assert event_attributes(event) == {"price": 1.5}
    assert event_attributes(event) is not event.attributes
