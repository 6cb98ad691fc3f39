"""The program whose start-up is measured: imports what its arguments name, and prints as JSON when
it had them, how long that took, and how many functions were watched then.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module


def main(names: list[str]) -> None:
    """Import and print."""
    began = time.monotonic_ns()
    for name in names:
        import_module(name)
    done = time.monotonic_ns()
    # Looked up, not imported: a bare run must not load it.
    watcher = sys.modules.get("tradespan.instrument.auto.watcher")
    watched = 0 if watcher is None else len(watcher.WATCHER.report.watched)
    print(json.dumps({"done": done, "took": done - began, "watched": watched}))


if __name__ == "__main__":
    main(sys.argv[1:])
