from __future__ import annotations

import pytest

from tests.unit.web.builders import MILLISECOND, make_span
from tradespan.store.rows import SpanDetail
from tradespan.web.criticalpath import build_tree, find_critical_path
from tradespan.web.words import Share, list_orders, rank_shares, shorten_name, title_trace


def shares(spans: list[SpanDetail]) -> list[Share]:
    tree = build_tree(spans)
    return rank_shares(spans, tree, find_critical_path(tree, tree.main).steps)


def test_biggest_share_by_function_comes_first_and_all_sum_to_one() -> None:
    spans = [
        make_span("a", "", 0, 10, name="bot.on_tick"),
        make_span("b", "a", 0, 2, name="risk.check"),
        make_span("c", "a", 2, 5, name="risk.check"),
        make_span("d", "a", 5, 9, name="strategy.decide"),
    ]
    ranked = shares(spans)
    assert [(share.label, share.time // MILLISECOND) for share in ranked] == [
        ("risk.check", 5),
        ("strategy.decide", 4),
        ("bot.on_tick itself", 1),
    ]
    assert sum(share.fraction for share in ranked) == pytest.approx(1)
    assert ranked[0].node == 2, "the longer of the two calls"


@pytest.mark.parametrize(
    ("span", "label"),
    [
        (make_span("x", "a", 0, 10, name="execution.await_acknowledgement"),
         "Waiting for acknowledgement"),
        (make_span("x", "a", 0, 10, name="execution.wait_for_fill"), "Waiting for fill"),
        (make_span("x", "a", 0, 10, name="await acknowledgement"), "Waiting for acknowledgement"),
        (make_span("x", "a", 0, 10, name="POST", kind="CLIENT",
                   attributes={"server.address": "venue.example"}), "Waiting for venue.example"),
        (make_span("x", "a", 0, 10, name="send", kind="CLIENT",
                   attributes={"trading.venue": "SIM", "server.address": "10.0.0.1"}),
         "Waiting for SIM"),
        (make_span("x", "a", 0, 10, name="GET", kind="CLIENT"),
         "Waiting for the other side of GET"),
        (make_span("x", "a", 0, 10, name="bot.waiting_room"), "bot.waiting_room"),
    ],
)  # fmt: skip
def test_waiting_is_called_waiting(span: SpanDetail, label: str) -> None:
    assert shares([make_span("a", "", 0, 10), span])[0].label == label


def test_instant_trace_has_no_shares() -> None:
    assert shares([make_span("a", "", 3, 3)]) == []


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("momentum_bot.strategy.decide", "strategy.decide"),
        ("momentum_bot.strategy.Momentum.decide", "Momentum.decide"),
        ("Momentum.decide", "Momentum.decide"),
        ("main", "main"),
        ("POST /orders", "POST /orders"),
        ("a.b.run.<locals>.retry", "run.retry"),
        ("v1.2 started", "v1.2 started"),
    ],
)
def test_function_is_named_without_its_packages(name: str, short: str) -> None:
    assert shorten_name(name) == short


def test_title_names_the_symbol_without_quotes() -> None:
    root = make_span("a", name="bot.on_tick", attributes={"tradespan.args.symbol": "'AAPL'"})
    assert title_trace(root) == "bot.on_tick AAPL"
    assert title_trace(make_span("a", name="bot.on_tick")) == "bot.on_tick"


def test_orders_are_listed_once_in_order_of_appearance() -> None:
    key = "trading.order.client_id"
    spans = [
        make_span("a"),
        make_span("b", attributes={key: "C-2"}),
        make_span("c", attributes={key: "C-1"}),
        make_span("d", attributes={key: "C-2"}),
    ]
    assert list_orders(spans) == ["C-2", "C-1"]
