"""`python -m tradespan`."""

import sys

from tradespan.cli import main

sys.exit(main())
