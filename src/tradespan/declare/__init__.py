"""Declarations as data: what telemetry is called, of which type it is, and what it means.

`registry/*.yaml` is the registry, in the schema of OpenTelemetry's semantic conventions. Running
code never reads it: it imports the constants of `names`, which `python -m tradespan.generate`
writes from it, as it does docs/conventions.md.
"""
