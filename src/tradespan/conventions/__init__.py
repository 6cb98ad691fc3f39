"""The registry of names: read, checked, and held against what programs really record.

`declare/registry/*.yaml` is ours, files of the same form are a user's. `live` looks at telemetry.
"""
