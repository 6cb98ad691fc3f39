"""The source of what ran is shown for as long as it is the same, by the run's own declaration."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.contract.desk import Desk
from tradespan.bootstrap.folders import find_source_roots
from tradespan.store.store import Store
from tradespan.web.server import build_app

TOKEN = "a-token-for-tests"
LIBRARY = """
    def price(symbol):
        return float(symbol)
    """
BOT = """
    import library
    def decide(symbol):
        return library.price(symbol)
    try:
        decide("AAPL")
    except ValueError:
        pass
    """


@pytest.fixture
def ended(desk: Desk) -> Desk:
    """A run that ended; its script lies in one folder, its library in another."""
    bot = desk.write("scripts/bot.py", BOT)
    desk.write("library/library.py", LIBRARY)
    desk.write("elsewhere/empty", "")
    program = desk.run(
        "-i", r"(bot|library)\..*", bot,
        cwd=desk.folder / "elsewhere",
        environment={"PYTHONPATH": str(desk.folder / "library")},
    )  # fmt: skip
    assert program.status == 0, program.err
    return desk


def ask(desk: Desk) -> dict[str, Any]:
    """Function name → what the API says of its source."""
    with closing(Store.open(desk.store, readonly=True)) as store:
        app = build_app(
            lambda: store, token=TOKEN, find_roots=partial(find_source_roots, desk.root)
        )
        headers = {"authorization": f"Bearer {TOKEN}"}
        with TestClient(app, base_url="http://127.0.0.1", headers=headers) as client:
            return {
                span.name: client.get(
                    "/api/v1/source", params={"trace": span.trace_id, "span": span.span_id}
                ).json()
                for span in desk.stored()
            }


def test_function_and_frames_of_a_run_are_shown(ended: Desk) -> None:
    shown = ask(ended)
    assert shown["library.price"]["function"]["lines"] == [
        "def price(symbol):",
        "    return float(symbol)",
    ]
    frames = [(frame["name"], frame["line"]) for frame in shown["bot.decide"]["frames"]]
    assert frames == [("price", 2), ("decide", 3)]
    assert all(frame["lines"] for frame in shown["bot.decide"]["frames"])


def test_file_that_was_edited_since_is_not_shown(ended: Desk) -> None:
    ended.write("library/library.py", LIBRARY + "# edited\n")
    shown = ask(ended)
    assert shown["library.price"]["function"]["why"] == "changed since"
    assert shown["bot.decide"]["function"]["why"] == ""


def test_file_outside_of_the_declared_folders_is_not_shown(ended: Desk) -> None:
    folder = ended.folder_of_run
    roots = [root for root in folder.description["source_roots"] if "library" not in root]
    folder.describe(source_roots=roots)
    assert ask(ended)["library.price"]["function"]["why"] == "outside of the run's folders"
