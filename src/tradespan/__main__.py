"""`python -m tradespan`."""

import gc
import sys

from tradespan.cli import main

status = main()
# The process ends: what it holds need not be looked through for garbage, which takes the agent, and
# so the end of a run, 30 ms.
gc.freeze()
sys.exit(status)
