"""A bot to be killed: it takes over what was left, opens orders in threads, and ends some of them.

`python -m tests.crash.orders_bot ROUND MOST`: says `adopted ID STATE` for each order that it took
over, `ready`, then `sent ID` once an order is in the table, `changed ID`, `ending ID` before and
`over ID` after it has left it. Up to MOST orders of each of 4 threads; then it waits.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import tradespan
from tradespan.core.orders import OpenOrder, OpenOrders
from tradespan.signals.slot import SIGNALS

THREADS = 4


def say(text: str) -> None:
    """One line, by one write: threads don't mix, and a kill cuts none."""
    os.write(1, f"{text}\n".encode())


def trade(table: OpenOrders, play: int, thread: int, most: int) -> None:
    for number in range(most):
        client_id = f"{play}.{thread}.{number}"
        now = time.time_ns()
        row = OpenOrder(client_id, symbol="BTC", state="New", submitted=now, changed=now)
        table.put(row)
        say(f"sent {client_id}")
        if number % 3 == 0:
            changed = time.time_ns()
            table.put(row._replace(state="PartiallyFilled", cumulative="1", changed=changed))
            say(f"changed {client_id}")
        if number % 5 == 0:
            say(f"ending {client_id}")
            table.drop(client_id)
            say(f"over {client_id}")


def main(play: int, most: int) -> None:
    tradespan.configure(forwarder="external", service="orders-bot")
    table = SIGNALS.open_orders
    assert table is not None
    for row in table.adopt():
        say(f"adopted {row.client_id} {row.state}")
    say("ready")
    for thread in range(1, THREADS):
        arguments = (table, play, thread, most)
        threading.Thread(target=trade, args=arguments, daemon=True).start()
    trade(table, play, 0, most)
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
