"""A small grid bot for two venues: threads, queues, dicts and integer money."""
