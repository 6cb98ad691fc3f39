"""The spool against a model of it: whatever happens, in any order, to writers, disk and reader.

TRADESPAN_MODEL_EXAMPLES=2000 makes it long, and different in each run. A sequence that fails is
printed as a program: it becomes a test of its own, below.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.native.ways import compiled
from tests.unit.spool.machine import SpoolMachine

EXAMPLES = int(os.environ.get("TRADESPAN_MODEL_EXAMPLES", "0"))


class PureSpool(SpoolMachine):
    """The way in Python."""


class NativeSpool(SpoolMachine):
    """The way through C."""


SETTINGS = settings(
    max_examples=EXAMPLES or 30,
    stateful_step_count=60 if EXAMPLES else 40,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.timeout(0)
def test_pure_spool_is_as_its_model() -> None:
    run_state_machine_as_test(PureSpool, settings=SETTINGS)


@pytest.mark.timeout(0)
def test_native_spool_is_as_its_model() -> None:
    NativeSpool.module = compiled()
    run_state_machine_as_test(NativeSpool, settings=SETTINGS)
