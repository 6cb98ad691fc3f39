"""What the demo records keeps to what is declared: the live check is clean."""

from __future__ import annotations

import json

from tests.contract.desk import Desk


def test_the_demo_is_clean(desk: Desk) -> None:
    ended = desk.tradespan("demo", "--for", "3", "--no-ui", "--root", desk.root)
    assert ended.status == 0, ended.err

    checked = desk.tradespan("conventions", "live", "--root", desk.root, "--json")
    told = json.loads(checked.out)

    assert told["looked_at"]["span"] > 100
    assert told["findings"] == []
    assert checked.status == 0


def test_a_deviation_of_a_bot_is_found(desk: Desk) -> None:
    desk.write(
        "bot.py",
        "import tradespan\n\n\n"
        "@tradespan.monitor(attributes={'trading.symbl': 'AAPL'})\n"
        "def submit():\n    return 1\n\n\n"
        "submit()\n",
    )
    assert desk.tradespan("run", "--root", desk.root, "bot.py").status == 0

    checked = desk.tradespan("conventions", "live", "--root", desk.root, "--json")
    (finding,) = json.loads(checked.out)["findings"]

    assert (finding["name"], finding["near"]) == ("trading.symbl", "trading.symbol")
    assert checked.status == 1


EMITS = """\
from tradespan.declare.instruments import INSTRUMENTS
from tradespan.signals.events.bus import EventBus
from tradespan.signals.metrics.registry import from_declaration
from tradespan.signals.timing import timer

bus = EventBus()
bus.emit_trade("AAPL", "BUY", 300, 187.15, venue="XNAS")
bus.emit_kill_switch("daily loss", -1200.0, -1000.0)
bus.emit_error("boom", {"order": 7})
with timer("load"):
    pass
for name, declared in INSTRUMENTS.items():
    if declared.kind == "counter":
        from_declaration(declared).declare(*["" for _ in declared.labels])
"""


def test_what_events_timers_and_instruments_record_is_clean(desk: Desk) -> None:
    desk.write("bot.py", EMITS)
    # Nobody takes the log records: they stay, to be looked at.
    run = desk.tradespan("run", "--root", desk.root, "--endpoint", "http://127.0.0.1:9", "bot.py")
    assert run.status == 0, run.err

    told = json.loads(desk.tradespan("conventions", "live", "--root", desk.root, "--json").out)

    assert told["looked_at"]["log"] >= 3
    assert told["looked_at"]["metric"] > 40
    assert told["findings"] == []
