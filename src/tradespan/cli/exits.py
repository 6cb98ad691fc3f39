"""Exit statuses of the commands, in one place."""

OK = 0
FAILED = 1
"""The command ran and says no: nothing found, books that do not balance, data that waits."""
USAGE = 2
"""The command could not run as it was called."""
INTERRUPTED = 130
