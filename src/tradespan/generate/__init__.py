"""Docs tables and constants, written from declarations: `python -m tradespan.generate [--check]`.

A module per output; what is generated is committed, and `--check` says what is out of date.
"""
