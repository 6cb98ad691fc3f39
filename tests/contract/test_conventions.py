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
