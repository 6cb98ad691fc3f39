"""The error tree: printed as it is, linked to the docs, and whole after pickling."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tradespan.core import errors
from tradespan.core.errors import TradespanError

EXAMPLES: list[TradespanError] = [
    errors.UnknownSetting("servce", "argument servce", "service"),
    errors.InvalidSetting("drain", "argument drain", "'x'", "a duration"),
    errors.InvalidPattern("a(", "missing )", 1, "include", "option --include"),
    errors.UnreadableSettings(Path("/x"), "found", "No such file"),
    errors.AlreadyConfigured([("drain", "1s (a)", "2s (b)")]),
    errors.SpoolUnavailable(Path("/x"), "read-only"),
    errors.DamagedSegment(Path("/x"), 12, "bad checksum"),
    errors.UnsupportedFormat(Path("/x"), 3, 1),
    errors.StoreTooNew(Path("/x"), 3, 1),
    errors.StoreUnreadable(Path("/x"), "file is not a database"),
    errors.DeliveryError("http://c", "refused", 400),
    errors.TargetNotFound("bt.py", "script", "bot.py"),
    errors.InstrumentConflict("orders", "a.py:1", "b.py:2", [("its unit", "'s'", "'ms'")]),
]


def draw_tree(kind: type[TradespanError], depth: int = 0) -> list[str]:
    lines = [f"{'  ' * depth}{'· ' if depth else ''}{kind.__name__}"]
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:  # not one that another test defines
            lines += draw_tree(child, depth + 1)
    return lines


def test_the_docstring_prints_the_tree() -> None:
    printed = [line[2:] for line in (errors.__doc__ or "").splitlines() if line.startswith("  ")]

    assert printed == draw_tree(TradespanError)


def test_each_error_has_a_link_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    slugs = [kind.slug for kind in kinds if issubclass(kind, TradespanError)]

    assert len(slugs) == len(set(slugs))
    assert EXAMPLES[0].link == "docs/errors.md#unknown-setting"


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_crosses_processes_whole(error: TradespanError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_a_message_is_a_sentence(error: TradespanError) -> None:
    sentence = str(error).split("\n")[0]

    assert sentence[0].isupper() or sentence.startswith("tradespan ")
    assert sentence.endswith((".", "?"))
