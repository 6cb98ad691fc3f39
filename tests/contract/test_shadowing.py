"""A user's file that is named like a module of Python's is the user's, and not ours to import."""

from __future__ import annotations

from tests.contract.desk import Desk


def test_a_signal_module_beside_the_bot_does_not_stop_the_agent(desk: Desk) -> None:
    desk.write("signal.py", "SIDE = 'buy'\n")
    bot = desk.write("bot.py", "def work():\n    return 1\n\nwork()\n")
    ended = desk.run("-i", r"bot\..*", bot)
    assert ended.status == 0
    assert desk.stored_names() == ["bot.work"]
