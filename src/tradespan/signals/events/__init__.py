"""The event bus: what happened, told to whoever subscribed, kept in a ring, and recorded."""
