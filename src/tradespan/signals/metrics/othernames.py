"""Names that the user chose for conventional instruments: one fact, exported once, under that."""

from __future__ import annotations

from typing import NamedTuple

from tradespan.declare.instruments import Alias
from tradespan.pages.metrics import Labels


class OtherName(NamedTuple):
    """As what the series of an instrument are exported."""

    name: str
    alias: Alias

    def rename(self, labels: Labels) -> Labels | None:
        """The labels of a series under this name; None: it cannot have the name.

        A label that the name implies, such as a currency, is left out, and so is an empty one.
        """
        there = dict(labels)
        if any(there.pop(label, "") != value for label, value in self.alias.fixed):
            return None
        names = {conventional: ours for ours, conventional in self.alias.labels}
        return tuple(sorted((names.get(key, key), text) for key, text in there.items() if text))


def find_alias(aliases: tuple[Alias, ...], prefix: str, name: str) -> Alias | None:
    """The alias of this name; of several, the one whose own prefix it is."""
    found = [alias for alias in aliases if alias.name == name and alias.factor == 1.0]
    return next((alias for alias in found if alias.prefix == prefix), found[0] if found else None)
