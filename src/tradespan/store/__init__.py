"""The embedded store: spans and traces in one SQLite file. `schema.sql` is its document."""
