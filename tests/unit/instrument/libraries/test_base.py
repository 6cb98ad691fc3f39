"""Patches of a library: made when it is there, undone exactly; and calls as spans."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.trace import StatusCode, get_current_span

from tests.support.captured import Captured
from tests.unit.instrument.libraries.sdk import Sdk, attributes
from tradespan.core import guard
from tradespan.instrument.libraries.base import LibraryInstrumentor, Patch, Telemetry
from tradespan.instrument.libraries.operations import Operation

LIBRARY = """
class Base:
    def inherited(self):
        return "inherited"

class Client(Base):
    def call(self, number=0):
        return number + 1

    @staticmethod
    def fixed():
        return "fixed"

def function():
    return "function"
"""


class Instrumentor(LibraryInstrumentor):
    """Of a library that the tests write."""

    requirement = "wrapt >= 1"
    scope = "tests"
    names: tuple[str, ...] = ("Client.call",)
    forgotten = 0

    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        return [Patch("venuelib.client", name, wrap) for name in self.names]

    def forget(self) -> None:
        type(self).forgotten += 1


def wrap(original: Any) -> Callable[..., Any]:
    def replaced(*args: Any, **kwargs: Any) -> Any:
        return "replaced", original(*args, **kwargs)

    return replaced


@pytest.fixture
def instrumentor() -> Iterator[Instrumentor]:
    instrumentor = Instrumentor()
    instrumentor.names = ("Client.call",)
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A library that can be imported, and is not."""
    package = tmp_path / "venuelib"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "client.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    yield "venuelib.client"
    for name in [name for name in sys.modules if name.partition(".")[0] == "venuelib"]:
        del sys.modules[name]


def state_of(module: ModuleType) -> list[dict[str, Any]]:
    return [dict(vars(module)), dict(vars(module.Client)), dict(vars(module.Base))]


def test_what_is_not_imported_is_not_imported_by_us_and_patched_once_it_is(
    library: str, instrumentor: Instrumentor
) -> None:
    instrumentor.instrument()
    assert library not in sys.modules
    assert instrumentor.patched == []
    assert import_module(library).Client().call() == ("replaced", 1)
    assert instrumentor.patched == ["venuelib.client:Client.call"]


def test_what_is_imported_is_patched_at_once(library: str, instrumentor: Instrumentor) -> None:
    client = import_module(library).Client
    instrumentor.instrument()
    assert client().call(2) == ("replaced", 3)


def test_uninstrument_restores_classes_and_modules_exactly(
    library: str, instrumentor: Instrumentor
) -> None:
    instrumentor.names = ("Client.call", "Client.inherited", "Client.fixed", "function")
    module = import_module(library)
    finders, before = list(sys.meta_path), state_of(module)
    instrumentor.instrument()
    assert module.Client().inherited() == ("replaced", "inherited")
    assert len(instrumentor.patched) == 4
    instrumentor.uninstrument()
    assert state_of(module) == before
    assert sys.meta_path == finders
    assert instrumentor.forgotten


def test_what_is_imported_after_uninstrument_is_left_alone(
    library: str, instrumentor: Instrumentor
) -> None:
    finders = list(sys.meta_path)
    instrumentor.instrument()
    assert sys.meta_path != finders
    instrumentor.uninstrument()
    assert sys.meta_path == finders
    assert import_module(library).Client().call() == 1


def test_a_name_that_is_gone_leaves_the_others_and_is_reported(
    library: str, instrumentor: Instrumentor, kept_in: None, caplog: pytest.LogCaptureFixture
) -> None:
    instrumentor.names = ("Client.moved_elsewhere", "Client.call")
    module = import_module(library)
    instrumentor.instrument()
    assert instrumentor.patched == ["venuelib.client:Client.call"]
    assert module.Client().call() == ("replaced", 1)
    assert "patching venuelib.client:Client.moved_elsewhere" in caplog.text


def test_what_somebody_else_has_patched_since_is_left_and_reported(
    library: str, instrumentor: Instrumentor, kept_in: None, caplog: pytest.LogCaptureFixture
) -> None:
    client = import_module(library).Client
    instrumentor.instrument()
    theirs = client.call = wrap(client.call)
    instrumentor.uninstrument()
    assert client.call is theirs
    assert "replaced by somebody else" in caplog.text


def test_a_library_that_is_not_installed_is_said_and_nothing_changes(
    instrumentor: Instrumentor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Instrumentor, "requirement", "no-such-library >= 1")
    finders = list(sys.meta_path)
    instrumentor.instrument()
    assert not instrumentor.is_instrumented_by_opentelemetry
    assert sys.meta_path == finders
    assert "no-such-library" in caplog.text


def test_it_may_be_instrumented_again(library: str, instrumentor: Instrumentor) -> None:
    client = import_module(library).Client
    for _ in range(3):
        instrumentor.instrument()
        assert client().call() == ("replaced", 1)
        instrumentor.uninstrument()
        assert client().call() == 1


# ── calls ───────────────────────────────────────────────────────────────────────────────────────


class Refused(Exception):
    """The library's own."""


def refuse(telemetry: Telemetry, **options: Any) -> Refused:
    error = Refused("no for ?apiKey=abcdefgh12345678&x=1")
    with pytest.raises(Refused) as raised, Operation(telemetry, "venue call", **options):
        raise error
    assert raised.value is error
    return error


def test_an_error_passes_unchanged_and_fails_the_span(sdk: Sdk) -> None:
    error = refuse(sdk.telemetry)
    assert error.args == ("no for ?apiKey=abcdefgh12345678&x=1",)
    span = sdk.one("venue call")
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"].endswith("test_base.Refused")
    (event,) = span.events
    assert event.name == "exception"
    assert "Refused: no for" in str((event.attributes or {})["exception.stacktrace"])
    assert "abcdefgh12345678" not in sdk.text


@pytest.mark.parametrize("scrub", [str, str.upper])
def test_on_tradespans_provider_it_is_the_same(
    captured: Captured, sdk: Sdk, scrub: Callable[[str], str]
) -> None:
    refuse(sdk.telemetry._replace(tracer=captured.tracer), scrub=scrub)
    span = captured.one("venue call")
    assert span.failed
    assert str(span.attributes["error.type"]).endswith("test_base.Refused")
    assert span.failure.message.startswith(scrub("no for"))
    assert "abcdefgh12345678" not in repr(span.record).lower()


def test_scrubbing_reaches_causes_and_notes(sdk: Sdk) -> None:
    def scrub(text: str) -> str:
        return text.replace("topsy", "***")

    error = Refused("message topsy")
    error.__cause__ = ValueError("cause topsy")
    error.add_note("note topsy")
    with pytest.raises(Refused), Operation(sdk.telemetry, "venue call", scrub=scrub):
        raise error
    assert "topsy" not in sdk.text
    assert "message ***" in sdk.text
    assert "cause ***" in sdk.text


def test_a_cancelled_call_is_no_error(sdk: Sdk) -> None:
    async def call(begun: asyncio.Event) -> None:
        with Operation(sdk.telemetry, "venue call"):
            begun.set()
            await asyncio.Event().wait()

    async def main() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(call(begun))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    span = sdk.one("venue call")
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span)["tradespan.ended_by"] == "CancelledError"


def test_it_is_current_while_it_runs_unless_told_otherwise(sdk: Sdk) -> None:
    outside = get_current()
    with Operation(sdk.telemetry, "venue call") as operation:
        assert get_current_span() is operation.span
    with Operation(sdk.telemetry, "venue call", current=False):
        assert get_current() == outside
    assert get_current() == outside


def test_a_coroutine_closed_in_another_context_says_nothing(
    sdk: Sdk, caplog: pytest.LogCaptureFixture
) -> None:
    async def call() -> None:
        with Operation(sdk.telemetry, "venue call"):
            await asyncio.get_running_loop().create_future()

    async def main() -> Any:
        coroutine = call()
        task = asyncio.get_running_loop().create_task(_step(coroutine))
        await task
        return coroutine

    asyncio.run(main()).close()  # begun in a task's context, closed here
    assert not [line for line in caplog.records if line.levelno >= logging.WARNING]
    assert attributes(sdk.one("venue call"))["tradespan.ended_by"] == "GeneratorExit"


async def _step(coroutine: Any) -> None:
    """Run a coroutine up to where it waits."""
    coroutine.send(None)


class Broken:
    """A provider's part that fails whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"broken {name}")


@pytest.mark.parametrize("part", ["tracer", "clock"])
def test_a_broken_provider_reaches_nobody(sdk: Sdk, kept_in: None, part: str) -> None:
    broken: dict[str, Any] = {part: Broken()}
    telemetry = sdk.telemetry._replace(**broken)
    before = sum(guard.counts.values())
    with Operation(telemetry, "venue call") as operation:
        operation.set({"a": 1})
        operation.event("b")
        result = 42
    assert result == 42
    assert sum(guard.counts.values()) > before
    refuse(telemetry)


@pytest.mark.parametrize("name", ["alpaca", "ccxt", "ib_async", "websockets"])
def test_spans_go_by_the_library_and_not_by_the_module_that_makes_them(name: str) -> None:
    entries = entry_points(group="opentelemetry_instrumentor")
    assert entries[f"tradespan_{name}"].load().scope == f"tradespan.{name}"
