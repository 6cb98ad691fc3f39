"""A pairs trader with a loop of its own, which reports what it does by tradespan's hooks."""
