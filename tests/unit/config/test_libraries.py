"""The setting `libraries`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.config.conftest import Resolve
from tradespan.config.libraries import KNOWN
from tradespan.core.errors import InvalidSetting


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (None, KNOWN),
        ("all", KNOWN),
        ("none", ()),
        ("off", None),
        ("websockets, ccxt", ("ccxt", "websockets")),
        ("IB-async", ("ib_async",)),
        ("", KNOWN),
    ],
)
def test_all_none_or_some_in_a_variable(resolve: Resolve, said: str | None, means: Any) -> None:
    environ = {} if said is None else {"TRADESPAN_LIBRARIES": said}
    if means is None:
        with pytest.raises(InvalidSetting, match="alpaca, ccxt, ib_async, websockets"):
            resolve(environ)
    else:
        assert resolve(environ).libraries == means


@pytest.mark.parametrize(
    ("given", "means"),
    [(["ccxt"], ("ccxt",)), ([], ()), (True, KNOWN), (False, ()), ("ccxt", ("ccxt",))],
)
def test_lists_and_switches_in_code(resolve: Resolve, given: Any, means: Any) -> None:
    assert resolve(libraries=given).libraries == means


def test_a_library_that_nobody_knows_is_refused(resolve: Resolve) -> None:
    with pytest.raises(InvalidSetting, match="libraries"):
        resolve(libraries=["ccxt", "binance"])
