"""From the spool to the sinks: read, batch, deliver, retry, acknowledge, delete."""
