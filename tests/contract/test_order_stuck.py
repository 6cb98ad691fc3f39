"""An order that no venue answers: told once, while the bot goes on."""

from __future__ import annotations

from tests.contract.desk import Desk, eventually
from tests.support.receiver import Receiver

BOT = """
    import sys
    import tradespan

    def send(client_id):
        tradespan.orders.submitted(client_id, symbol="AAPL", venue="XNAS", side="buy", quantity=1)

    send("A-1")
    send("A-2")
    tradespan.orders.acknowledged("A-2")
    print("sent", flush=True)
    sys.stdin.readline()
    """
SETTINGS = {
    "TRADESPAN_ORDERS_ACKNOWLEDGE_WITHIN": "0.1s",
    "OTEL_METRIC_EXPORT_INTERVAL": "100",
    "TRADESPAN_MAX_OVERHEAD": "0",
}


def test_an_order_that_nobody_answers_is_an_event_once_with_the_trace_that_sent_it(
    desk: Desk, receiver: Receiver
) -> None:
    def stuck() -> list[str]:
        return [
            next(a.value.string_value for a in each.attributes if a.key.endswith("order.client_id"))
            for each in receiver.taken("logs")
            if each.event_name == "trading.order.stuck"
        ]

    bot = desk.write("bot.py", BOT)
    program = desk.start_run(
        "--endpoint", receiver.address, "-i", r"bot\.send", bot, environment=SETTINGS
    )
    assert program.line() == "sent"
    eventually(stuck, "the event of an order that nobody answers")
    program.say("enough")
    assert program.end().status == 0
    assert stuck() == ["A-1"]
    (event,) = [each for each in receiver.taken("logs") if each.event_name == "trading.order.stuck"]
    sent = {span.trace_id for span in receiver.spans if span.name == "bot.send"}
    told = next(span for span in receiver.spans if span.trace_id == event.trace_id.hex())
    assert {link.trace_id for link in told.links} <= sent
    assert told.links or told.trace_id in sent
