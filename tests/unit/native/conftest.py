"""Fixtures of this folder."""

from tests.unit.native.ways import way

__all__ = ["way"]
