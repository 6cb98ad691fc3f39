"""The bus in a program that gevent patches after the bus was made."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import tradespan
events = tradespan.events
from gevent import monkey
monkey.patch_all()
import gevent

told = []
events.subscribe(None, lambda event: told.append(event.name))
events.emit("one")
assert told == ["one"], told
gevent.joinall([gevent.spawn(events.emit, name) for name in ("two", "three")], timeout=30)
assert events.flush(30)
print(sorted(told))
"""


def test_subscribers_are_told_in_a_greenlet() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "['one', 'three', 'two']\n"), ran.stderr
