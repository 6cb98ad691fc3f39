"""numpy and pandas watched whole: showing arrays and frames calls none of their functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.support.captured import Captured
from tradespan.instrument.auto.patch import functions_of_module
from tradespan.instrument.auto.watcher import Watcher

Watch = Callable[..., Watcher]


def use_numpy() -> float:
    prices = np.array([3.0, 1.0, 2.0])
    masked = np.ma.masked_array(prices, [False, False, True])
    return float(np.median(prices) + np.diff(prices).sum() + np.ma.average(masked))


def use_pandas() -> float:
    frame = pd.DataFrame({"price": [3.0, 1.0, 2.0], "side": ["buy", "sell", "buy"]})
    frame = frame.sort_values("price").reset_index(drop=True)
    means = frame.groupby("side")["price"].mean()
    merged = frame.merge(means.rename("mean"), left_on="side", right_index=True)
    return float(merged["mean"].rolling(2).mean().iloc[-1] + frame.describe().loc["std", "price"])


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """What the first use imports is imported."""
    use_numpy()
    use_pandas()


@pytest.mark.parametrize(
    ("pattern", "use", "seen"),
    [
        (r"numpy\..*", use_numpy, {"numpy.median", "numpy.diff"}),
        (r"numpy|pandas", use_numpy, {"numpy.median"}),
        (r"pandas", use_pandas, {"pandas.DataFrame.merge", "pandas.DataFrame.describe"}),
        (r"(numpy|pandas)(\..*)?", use_pandas, {"pandas.DataFrame.describe"}),
    ],
)
def test_showing_values_makes_no_calls_of_its_own(
    captured: Captured,
    watcher: Watcher,
    watch: Watch,
    pattern: str,
    use: Callable[[], float],
    seen: set[str],
) -> None:
    bare = use()
    watch(pattern)
    assert use() == bare  # each data type is written out once
    first = len(captured.spans)
    assert use() == bare
    calls = [span.name for span in captured.spans[first:]]
    watcher.remove()
    watch(pattern, file="[capture]\nargs = false\nresult = false")
    assert use() == bare
    assert [span.name for span in captured.spans[first + len(calls) :]] == calls
    assert seen <= set(calls)


def test_what_capture_looks_at_may_be_watched_all_the_same(
    captured: Captured, watch: Watch
) -> None:
    bare = use_pandas()
    asked = "shape|dtypes?|index|columns|ndim|size|values|items|__len__|__repr__|__str__|name"
    watch(r"pandas\..*|numpy\..*", rf"pandas\.x\.({asked})")
    assert use_pandas() == bare
    names = {span.name for span in captured.spans}
    assert {"pandas.DataFrame.merge", "pandas.DataFrame.shape", "pandas.Series.__len__"} <= names


def test_functions_behind_numpys_dispatchers_go_by_the_names_that_users_call(
    captured: Captured, watch: Watch
) -> None:
    dispatcher = np.median
    watch(r"numpy\.median")
    assert np.median is dispatcher
    assert float(np.median([1.0, 5.0, 2.0])) == 2.0
    assert captured.one().name == "numpy.median"
    assert captured.one().arguments["a"] == "[1.0, 5.0, 2.0]"


def test_each_function_of_numpy_is_found_once() -> None:
    import numpy.lib._function_base_impl as inner  # import under test

    public = {found.name for found in functions_of_module(np, "numpy", "numpy")}
    private = {found.name for found in functions_of_module(inner, inner.__name__, inner.__name__)}
    assert "numpy.median" in public
    assert not any(name.endswith(".median") for name in private)
