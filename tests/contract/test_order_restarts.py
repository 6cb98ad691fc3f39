"""An order that is sent in one run and filled in the next, after a kill: one journey."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.contract.desk import Desk
from tests.support.metrics import read_points
from tests.support.otlp import ReceivedSpan
from tests.support.receiver import Receiver

MAP = r"""
[service]
name = "desk"

[[map]]
function = 'bot\.send'
signal = "order.submitted"
[map.fields]
"trading.order.client_id" = "args.client_id"
"trading.symbol" = "=AAPL"
"trading.venue" = "=XNAS"
"trading.strategy" = "=momentum"
"trading.order.side" = "=buy"
"trading.order.quantity" = "args.quantity"
"trading.currency" = "=USD"

[[map]]
function = 'bot\.on_fill'
signal = "order.filled"
[map.fields]
"trading.order.client_id" = "args.client_id"
"trading.execution.quantity" = "args.quantity"
"trading.execution.price" = "args.price"
"""
BOTS = {
    "mapped": """
        def send(client_id, quantity):
            pass

        def on_fill(client_id, quantity, price):
            pass
        """,
    "told": """
        import tradespan

        def send(client_id, quantity):
            tradespan.orders.submitted(
                client_id, symbol="AAPL", venue="XNAS", strategy="momentum", side="buy",
                quantity=quantity, currency="USD",
            )

        def on_fill(client_id, quantity, price):
            tradespan.orders.filled(client_id, quantity=quantity, price=price)
        """,
}
PROGRAM = """
        import os, signal, sys

        words = sys.argv[1:]
        while words:
            word = words.pop(0)
            if word == "send":
                send(words.pop(0), 10)
            elif word == "fill":
                on_fill(words.pop(0), int(words.pop(0)), 187.5)
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        """


def run(desk: Desk, receiver: Receiver, kind: str, *words: str) -> Any:
    bot = desk.write("bot.py", BOTS[kind] + PROGRAM)
    settings = desk.write("desk.toml", MAP if kind == "mapped" else '[service]\nname = "desk"\n')
    options = ("--root", desk.root, "--config", settings, "--endpoint", receiver.address)
    return desk.tradespan("run", *options, "-i", r"bot\..*", bot, *words)


def one(receiver: Receiver, name: str) -> ReceivedSpan:
    (span,) = [span for span in receiver.spans if span.name == name]
    return span


@pytest.mark.parametrize("kind", BOTS)
def test_a_fill_after_a_kill_is_linked_to_the_order_of_the_run_before(
    desk: Desk, receiver: Receiver, kind: str
) -> None:
    first = run(desk, receiver, kind, "send", "A-1", "send", "A-2", "die")
    assert first.status == 128 + signal.SIGKILL
    assert "2 orders are still open: A-1, A-2" in first.err
    second = run(desk, receiver, kind, "fill", "A-1", "4", "fill", "A-1", "6")
    assert second.status == 0, second.err
    assert "1 order is still open: A-2" in second.err

    sends = [span for span in receiver.spans if span.name == "bot.send"]
    sent = next(s for s in sends if s.attributes["trading.order.client_id"] == "A-1")
    fills = [span for span in receiver.spans if span.name == "bot.on_fill"]
    assert len(fills) == 2
    for fill in fills:
        assert fill.attributes["trading.order.client_id"] == "A-1"
        assert fill.trace_id != sent.trace_id
        assert [(link.trace_id, link.span_id) for link in fill.links] == [
            (sent.trace_id, sent.span_id)
        ]
    listed = desk.tradespan("orders", "--root", desk.root)
    assert "A-2" in listed.out
    assert "A-1" not in listed.out


@pytest.mark.parametrize("kind", BOTS)
def test_what_the_order_was_sent_with_labels_what_comes_after_the_kill(
    desk: Desk, receiver: Receiver, kind: str
) -> None:
    run(desk, receiver, kind, "send", "A-1", "die")
    run(desk, receiver, kind, "fill", "A-1", "10")
    filled = [
        (point.labels, point.value)
        for point in read_points(receiver)
        if point.name == "trading.orders.filled" and point.value
    ]
    assert filled
    labels, _ = filled[-1]
    assert labels["trading.symbol"] == "AAPL"
    assert labels["trading.strategy"] == "momentum"
    assert labels["trading.order.side"] == "buy"
    assert not [p for p in read_points(receiver) if p.name == "trading.orders.unknown" and p.value]


def test_a_fill_in_another_process_is_linked_to_the_order_that_the_first_one_sent(
    desk: Desk, receiver: Receiver
) -> None:
    bot = desk.write(
        "desk.py",
        """
        import multiprocessing
        import tradespan

        def on_fill(client_id):
            tradespan.orders.filled(client_id, quantity=10, price=187.5)

        def send(client_id):
            tradespan.orders.submitted(client_id, symbol="AAPL", venue="XNAS", side="buy",
                                       quantity=10)

        if __name__ == "__main__":
            send("A-1")
            for kind in ("spawn", "fork"):
                child = multiprocessing.get_context(kind).Process(target=on_fill, args=("A-1",))
                child.start()
                child.join()
        """,
    )
    options = ("--root", desk.root, "--endpoint", receiver.address, "-i", r"desk\..*")
    ended = desk.tradespan("run", *options, bot)
    assert ended.status == 0, ended.err
    sent = one(receiver, "desk.send")
    fills = [span for span in receiver.spans if span.name == "desk.on_fill"]
    assert len(fills) == 2
    for fill in fills:
        assert [(link.trace_id, link.span_id) for link in fill.links] == [
            (sent.trace_id, sent.span_id)
        ]
    filled = {
        (point.instance, point.labels["trading.symbol"]): point.value
        for point in read_points(receiver)
        if point.name == "trading.orders.filled" and point.value
    }
    assert [(symbol, count) for (_, symbol), count in filled.items()] == [("AAPL", 1)] * 2
