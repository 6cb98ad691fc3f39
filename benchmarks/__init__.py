"""What tradespan costs, beside what others cost: ratios from one process and one run."""

# First of all imports: a bot whose first import is tradespan's gets our context runtime, too.
from tradespan.instrument import context as context
