from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.browser import market
from tests.unit.web.builders import NOON, SteppingClock
from tradespan.store.store import Store
from tradespan.web.server import build_app

TOKEN = "a-token-for-tests"
ADDRESS = "http://127.0.0.1:8420"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as store:
        yield store


@pytest.fixture
def story(store: Store) -> market.Story:
    return market.tell(store, NOON, traces=120)


@pytest.fixture
def stranger(store: Store) -> Iterator[TestClient]:
    """A client without the token."""
    app = build_app(lambda: store, token=TOKEN, instance="test", clock=SteppingClock())
    with TestClient(app, base_url=ADDRESS, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """A client that came by the printed link."""
    stranger.get("/", params={"token": TOKEN})
    return stranger
