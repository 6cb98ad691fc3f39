"""A watched function by name and by value: pools, and those that send code along (cloudpickle)."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from types import ModuleType

import cloudpickle

from tests.support.captured import Captured
from tradespan.instrument.auto.watcher import Watcher

Watch = Callable[..., Watcher]
Load = Callable[[str], ModuleType]


def test_a_function_pickles_by_its_name_and_by_value(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    module = desk("def f(a, k=5): return a + k")
    watch(r"desk\.f")
    assert pickle.loads(pickle.dumps(module.f)) is module.f
    cloudpickle.register_pickle_by_value(module)
    try:
        there = pickle.loads(cloudpickle.dumps(module.f))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert there is not module.f
    assert (there(1), there(1, k=2)) == (6, 3)
    assert [span.name for span in captured.spans] == ["desk.f", "desk.f"]
