"""All spans of a store, a lot at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.store.builders import (
    EXCHANGE,
    SUBMIT,
    insert,
    make_exception,
    make_open,
    make_span,
    new_store,
    trace_hex,
)


def test_every_span_comes_once_in_the_order_it_was_stored(tmp_path: Path) -> None:
    with new_store(
        tmp_path, make_span(2, 1, start=9), make_span(1, 1), make_span(2, 2, 1)
    ) as store:
        insert(store, make_span(3, 1, site=SUBMIT), resource=EXCHANGE)
        lots = list(store.sweep(limit=3))

    assert [len(lot) for lot in lots] == [3, 1]
    swept = [(span.trace_id, span.span_id[-1], span.name) for lot in lots for span in lot]
    assert swept == [
        (trace_hex(2), "1", "decide"),
        (trace_hex(2), "2", "decide"),
        (trace_hex(1), "1", "decide"),
        (trace_hex(3), "1", "submit"),
    ]
    assert lots[1][0].resource["service.name"] == "exchange"


def test_a_span_has_all_its_facts(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"attributes": {"trading.symbol": "AAPL"}, "arguments": ["'AAPL'", 300]}
    with new_store(
        tmp_path, make_span(1, 1, failed=True, events=[make_exception()], **facts), make_open(2, 1)
    ) as store:
        ((failed, running),) = store.sweep()

    assert failed.attributes["trading.symbol"] == "AAPL"
    assert failed.attributes["tradespan.args.quantity"] == 300
    assert failed.attributes["code.function.name"] == "momentum_bot.strategy.decide"
    assert failed.events[0].attributes["exception.type"] == "momentum_bot.errors.ExchangeTimeout"
    assert (failed.running, running.running) == (False, True)


def test_an_empty_store_has_no_lots(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        assert list(store.sweep()) == []


def test_what_is_stored_meanwhile_comes_too(tmp_path: Path) -> None:
    with new_store(tmp_path, make_span(1, 1)) as store:
        lots = store.sweep(limit=1)
        assert len(next(lots)) == 1
        insert(store, make_span(2, 1))

        assert [span.trace_id for lot in lots for span in lot] == [trace_hex(2)]
