"""The two ways of the hot path, for tests that hold for both."""

from __future__ import annotations

from types import ModuleType

import pytest

from tradespan.core import native

_MODULE = native.module
"""Whatever way a test chooses later."""


def compiled() -> ModuleType:
    """The C module; skips the test where there is none."""
    if _MODULE is None:
        pytest.skip(native.describe())
    return _MODULE


@pytest.fixture(params=["native", "pure"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test once a way, in processes that it starts, too."""
    chosen: str = request.param
    if chosen == "native":
        compiled()
    else:
        monkeypatch.setattr(native, "module", None)
        monkeypatch.setenv("TRADESPAN_PURE", "1")
    return chosen
