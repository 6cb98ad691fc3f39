"""What is left of events and audit entries when their process is killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen

from tests.support.captured import read_lines
from tradespan.signals.audit.reading import AuditReader
from tradespan.spool.folder import run_folders

BOT = """
import sys
import tradespan

tradespan.configure(service="bot", root=sys.argv[1], store=None, forwarder="external")
number = 0
while True:
    tradespan.events.emit_trade("AAPL", "buy", number, 187.2)
    tradespan.audit("step", number=number)
    print(number, flush=True)
    number += 1
"""


def test_every_event_and_entry_that_was_acknowledged_outlives_kill_9(tmp_path: Path) -> None:
    bot = Popen([sys.executable, "-c", BOT, str(tmp_path)], stdout=PIPE, text=True)
    assert bot.stdout is not None
    acknowledged = 0
    for line in bot.stdout:
        acknowledged = int(line)
        if acknowledged == 500:
            break
    os.kill(bot.pid, signal.SIGKILL)
    rest = [int(line) for line in bot.stdout.read().splitlines(keepends=True) if line[-1] == "\n"]
    bot.stdout.close()
    bot.wait()
    acknowledged = max([acknowledged, *rest])

    (folder,) = run_folders(tmp_path)
    recorded = [line.record.event_name for line in read_lines(folder.path)]
    assert recorded.count("trading.order.filled") >= acknowledged + 1
    assert recorded.count("tradespan.audit.entry") >= acknowledged + 1
    reader = AuditReader(tmp_path)
    actions = [entry["action"] for entry in reader.entries()]
    assert reader.damages == []
    assert actions.count("TRADE_FILLED") >= acknowledged + 1
    assert actions.count("step") >= acknowledged + 1
