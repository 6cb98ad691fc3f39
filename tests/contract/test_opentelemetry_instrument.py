"""`opentelemetry-instrument` with tradespan, and an instrumentation that knows nothing of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.contract.desk import Desk
from tests.support.receiver import Receiver

INSTRUMENT = Path(sys.executable).with_name("opentelemetry-instrument")
# opentelemetry-distro is installed beside us: the first distro found wins, so ours is named.
CHOICE = {"OTEL_PYTHON_DISTRO": "tradespan", "OTEL_PYTHON_CONFIGURATOR": "tradespan"}
BOT = """
import sys
from urllib.request import urlopen

import tradespan
from opentelemetry import trace


@tradespan.monitor
def poll(url):
    with trace.get_tracer("desk").start_as_current_span("prepare"):
        pass
    with urlopen(url) as answer:
        return answer.status


print(poll(sys.argv[1]))
"""


class Venue:
    """An HTTP server on loopback that remembers the `traceparent` of each request."""

    def __init__(self) -> None:
        self.parents: list[str] = []
        parents = self.parents

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parents.append(self.headers.get("traceparent", ""))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing to say."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/ticker"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def venue() -> Iterator[Venue]:
    venue = Venue()
    yield venue
    venue.close()


def test_client_span_of_urllib_nests_under_the_watched_function(desk: Desk, venue: Venue) -> None:
    bot = desk.write("bot.py", BOT)
    environment = CHOICE | {"TRADESPAN_ROOT": str(desk.root)}
    ended = desk.start(INSTRUMENT, sys.executable, bot, venue.url, environment=environment).end()
    assert (ended.status, ended.out.split()) == (0, ["200"])
    spans = {span.name: span for span in desk.stored()}
    assert set(spans) == {"bot.poll", "prepare", "GET"}
    poll, prepare, request = spans["bot.poll"], spans["prepare"], spans["GET"]
    assert {span.trace_id for span in spans.values()} == {poll.trace_id}
    assert poll.parent_id == ""
    assert prepare.parent_id == request.parent_id == poll.span_id
    assert (request.kind, request.service) == ("CLIENT", "bot")
    assert request.scope.startswith("opentelemetry.instrumentation.urllib ")
    assert venue.parents == [f"00-{poll.trace_id}-{request.span_id}-03"]


def test_spans_reach_a_receiver_named_by_opentelemetrys_own_variables(
    desk: Desk, venue: Venue, receiver: Receiver
) -> None:
    bot = desk.write("bot.py", BOT)
    environment = CHOICE | {
        "TRADESPAN_ROOT": str(desk.root),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_SERVICE_NAME": "desk",
    }
    ended = desk.start(INSTRUMENT, sys.executable, bot, venue.url, environment=environment).end()
    assert ended.status == 0
    assert sorted(span.name for span in receiver.spans) == ["GET", "bot.poll", "prepare"]
    assert {span.resource["service.name"] for span in receiver.spans} == {"desk"}


def test_a_disabled_sdk_records_nothing_and_the_program_runs(desk: Desk, venue: Venue) -> None:
    bot = desk.write("bot.py", BOT)
    environment = CHOICE | {"TRADESPAN_ROOT": str(desk.root), "OTEL_SDK_DISABLED": "true"}
    ended = desk.start(INSTRUMENT, sys.executable, bot, venue.url, environment=environment).end()
    assert (ended.status, ended.out.split()) == (0, ["200"])
    assert desk.stored() == []
    assert venue.parents == [""]
