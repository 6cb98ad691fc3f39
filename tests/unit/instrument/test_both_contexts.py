"""Behaviour is the same whichever context runtime OpenTelemetry uses, ours or its own.

Ours is chosen when tradespan is imported first; where somebody else imported OpenTelemetry before,
or chose a runtime by `OTEL_PYTHON_CONTEXT`, the public functions are used. The tests of this folder
run with the one in force; here they run again, in a process that uses the other, and goes the way
in Python where this one may go through C.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.captured import Captured
from tradespan.core.runtime_context import RuntimeContext
from tradespan.instrument.monitor import monitor

HERE = Path(__file__)
AGAIN = "TRADESPAN_TESTS_AGAIN"
CHOICE = "OTEL_PYTHON_CONTEXT"
NO_CONTEXT = ("test_serialize", "test_serialize_bounds", "test_redact", "test_cut", "test_fields")
"""Tests of functions that know nothing of contexts."""


@pytest.mark.skipif(AGAIN in os.environ, reason="this is the second run")
def test_everything_holds_with_the_other_runtime() -> None:
    ours = RuntimeContext.installed is not None
    environment = os.environ | {
        AGAIN: "1",
        CHOICE: "contextvars_context" if ours else "tradespan",
        "TRADESPAN_PURE": "1",
    }
    files = [str(file) for file in HERE.parent.glob("test_*.py") if file.stem not in NO_CONTEXT]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=HERE.parents[3], check=False
    )
    assert again.returncode == 0, again.stdout[-5_000:]


def test_the_runtime_in_force_is_the_one_that_was_chosen(captured: Captured) -> None:
    if AGAIN in os.environ:
        assert (RuntimeContext.installed is not None) == (os.environ[CHOICE] == "tradespan")


@pytest.mark.parametrize(
    ("first", "ours"),
    [
        ("import tradespan.instrument", True),
        ("import opentelemetry.trace", False),
        ("import opentelemetry.context", False),
        ("import os; os.environ['OTEL_PYTHON_CONTEXT'] = 'contextvars_context'", False),
        ("import os; os.environ['OTEL_PYTHON_CONTEXT'] = ''", True),
        ("import os; os.environ['OTEL_PYTHON_CONTEXT'] = 'tradespan'", True),
    ],
)
def test_which_runtime_is_used_depends_on_who_came_first(first: str, ours: bool) -> None:
    code = f"""
{first}
import os
before = os.environ.get({CHOICE!r})
from tradespan.instrument import context
from tradespan.core.runtime_context import RuntimeContext
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach, get_current
assert os.environ.get({CHOICE!r}) == before
token = attach(baggage.set_baggage("strategy", "momentum"))
assert baggage.get_baggage("strategy") == "momentum"
detach(token)
assert baggage.get_baggage("strategy") is None
print(RuntimeContext.installed is not None)
"""
    environment = {name: value for name, value in os.environ.items() if name != CHOICE}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (said.stdout.strip(), said.stderr) == (str(ours), "")


def test_other_values_of_the_context_are_seen_inside_a_watched_call(captured: Captured) -> None:
    from opentelemetry import baggage, context  # import under test

    @monitor
    def inner() -> object:
        return baggage.get_baggage("strategy")

    @monitor
    def outer() -> object:
        token = context.attach(baggage.set_baggage("strategy", "momentum"))
        try:
            return inner()
        finally:
            context.detach(token)

    assert outer() == "momentum"
    assert baggage.get_baggage("strategy") is None
    assert captured.one("inner").parent_id == captured.one("outer").span_id
