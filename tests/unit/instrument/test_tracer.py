"""Our tracer through the public API: scopes, decorators, parents from here and from elsewhere."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context as api
from opentelemetry import propagate, trace
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
    use_span,
)

from tests.support.captured import Captured
from tradespan.core import guard
from tradespan.core.records import Resource
from tradespan.instrument.monitor import monitor
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.span import Span
from tradespan.instrument.tracer import Tracer, TracerProvider

TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331


def remote(sampled: bool = True, state: TraceState | None = None) -> api.Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    context = SpanContext(TRACE, PARENT, is_remote=True, trace_flags=flags, trace_state=state)
    return set_span_in_context(NonRecordingSpan(context), api.Context())


def current() -> trace.Span:
    return trace.get_current_span()


# ── scopes ──────────────────────────────────────────────────────────────────────────────────────


def test_a_scope_makes_its_span_current_and_ends_it(captured: Captured) -> None:
    with captured.tracer.start_as_current_span("outer") as outer:
        assert current() is outer
        with captured.tracer.start_as_current_span("inner") as inner:
            assert current() is inner
        assert current() is outer
        assert not inner.is_recording()
    assert current() is INVALID_SPAN
    assert captured.one("inner").parent_id == captured.one("outer").span_id
    assert captured.one("inner").trace_id == captured.one("outer").trace_id


def test_a_scope_may_leave_its_span_open(captured: Captured) -> None:
    with captured.tracer.start_as_current_span("open", end_on_exit=False) as span:
        pass
    assert span.is_recording()
    assert captured.spans == []
    span.end()
    assert captured.one("open").record.duration > 0


def test_a_scope_that_an_exception_leaves_fails_its_span(captured: Captured) -> None:
    with (
        pytest.raises(ValueError, match="x"),
        captured.tracer.start_as_current_span("failing"),
    ):
        raise ValueError("x")
    span = captured.one("failing")
    assert (span.failed, span.record.status_message) == (True, "ValueError: x")
    assert (span.failure.type, span.failure.escaped) == ("ValueError", False)


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("fail", [True, False])
def test_what_an_exception_does_can_be_chosen(captured: Captured, record: bool, fail: bool) -> None:
    options: dict[str, bool] = {"record_exception": record, "set_status_on_exception": fail}
    with (
        pytest.raises(ValueError, match="x"),
        captured.tracer.start_as_current_span("chosen", **options),  # type: ignore[arg-type]
    ):
        raise ValueError("x")
    span = captured.one("chosen")
    assert (len(span.events), span.failed) == (int(record), fail)


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, SystemExit])
def test_a_scope_that_is_left_without_an_error_does_not_fail(
    captured: Captured, error: type[BaseException]
) -> None:
    with pytest.raises(error), captured.tracer.start_as_current_span("left"):
        raise error
    assert (captured.one("left").failed, captured.one("left").events) == (False, [])


def test_a_status_set_by_hand_is_not_replaced_if_it_is_ok(captured: Captured) -> None:
    def work() -> None:
        with captured.tracer.start_as_current_span("fine") as span:
            span.set_status(trace.StatusCode.OK)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        work()
    assert captured.one("fine").record.status == 1


def test_a_span_itself_is_a_context_manager_that_does_not_become_current(
    captured: Captured,
) -> None:
    with captured.tracer.start_span("bare"):
        assert current() is INVALID_SPAN
    with pytest.raises(ValueError, match="x"), captured.tracer.start_span("failing"):
        raise ValueError("x")
    assert not captured.one("bare").failed
    assert captured.one("failing").failed


def test_use_span_of_the_api_takes_our_spans(captured: Captured) -> None:
    def work() -> None:
        with use_span(captured.tracer.start_span("used"), end_on_exit=True):
            captured.tracer.start_span("child").end()
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        work()
    assert captured.one("used").failed
    assert captured.one("child").parent_id == captured.one("used").span_id


# ── decorators ──────────────────────────────────────────────────────────────────────────────────


def test_a_scope_decorates_functions_each_call_a_span(captured: Captured) -> None:
    @captured.tracer.start_as_current_span("decorated", attributes={"a": 1})
    def work(n: int) -> int:
        """Works."""
        return n + 1

    assert [work(1), work(2)] == [2, 3]
    assert (work.__name__, work.__doc__) == ("work", "Works.")
    spans = captured.named("decorated")
    assert len({span.trace_id for span in spans}) == 2
    assert [span.own for span in spans] == [{"a": 1}, {"a": 1}]


def test_a_scope_decorates_coroutines_until_they_end(captured: Captured) -> None:
    @captured.tracer.start_as_current_span("decorated")
    async def work() -> None:
        await asyncio.sleep(0)
        with captured.tracer.start_as_current_span("inner"):
            pass

    assert inspect.iscoroutinefunction(work)
    asyncio.run(work())
    outer, inner = captured.one("decorated"), captured.one("inner")
    assert inner.parent_id == outer.span_id
    assert outer.record.end >= inner.record.end


def test_a_decorated_recursion_nests(captured: Captured) -> None:
    @captured.tracer.start_as_current_span("down")
    def down(n: int) -> None:
        if n:
            down(n - 1)

    down(2)
    first, second, third = captured.named("down")
    assert [first.parent_id, second.parent_id] == [0, first.span_id]
    assert third.parent_id == second.span_id


def test_frames_of_decorators_of_ours_are_left_out(captured: Captured) -> None:
    @monitor
    def outer() -> None:
        inner()

    @captured.tracer.start_as_current_span("inner")
    def inner() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        outer()
    names = [name.rpartition(".")[2] for name in captured.one("outer").frames]
    assert names == ["outer", "inner"]


def test_tracers_got_before_a_provider_was_set_work_through_the_apis_proxy(
    captured: Captured,
) -> None:
    class Proxy(trace.ProxyTracer):
        @property
        def _tracer(self) -> trace.Tracer:
            return captured.tracer

    proxy = Proxy("early")
    with proxy.start_as_current_span("through") as span:
        assert current() is span

    @proxy.start_as_current_span("decorated")
    def work() -> int:
        return 5

    assert work() == 5
    assert {span.name for span in captured.spans} == {"through", "decorated"}


# ── parents ─────────────────────────────────────────────────────────────────────────────────────


def test_an_explicit_context_counts_more_than_the_current_one(captured: Captured) -> None:
    with captured.tracer.start_as_current_span("current"):
        captured.tracer.start_span("elsewhere", context=remote()).end()
        captured.tracer.start_span("root", context=api.Context()).end()
    assert captured.one("elsewhere").parent_id == PARENT
    assert captured.one("root").parent_id == 0


def test_a_remote_parent_is_continued(captured: Captured) -> None:
    state = TraceState([("vendor", "x")])
    scope, context = captured.tracer.start_as_current_span, remote(state=state)
    with scope("served", context=context) as span, scope("inner") as inner:
        assert inner.get_span_context().trace_state == state
    assert isinstance(span, Span)
    assert span.parent is not None
    assert (span.parent.span_id, span.parent.is_remote) == (PARENT, True)
    served, nested = captured.one("served").record, captured.one("inner").record
    assert (captured.one("served").trace_id, served.parent_id) == (TRACE, PARENT)
    assert (served.parent_is_remote, nested.parent_is_remote) == (True, False)
    assert (served.trace_state, nested.trace_state) == ("vendor=x", "vendor=x")
    assert (served.trace_flags, nested.trace_flags) == (0x01, 0x01)


def test_what_the_caller_does_not_sample_is_not_written_and_is_passed_on(
    captured: Captured,
) -> None:
    @monitor
    def watched() -> SpanContext:
        return current().get_span_context()

    with captured.tracer.start_as_current_span("served", context=remote(sampled=False)) as span:
        context = span.get_span_context()
        assert (context.trace_id, context.trace_flags.sampled) == (TRACE, False)
        assert context.span_id not in (0, PARENT)
        assert watched().trace_id == TRACE
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        assert carrier["traceparent"].endswith("-00")
    assert captured.spans == []


def test_w3c_headers_go_out_and_come_in(captured: Captured) -> None:
    carrier: dict[str, str] = {}
    with captured.tracer.start_as_current_span("client") as client:
        propagate.inject(carrier)
    context = client.get_span_context()
    assert carrier["traceparent"] == f"00-{context.trace_id:032x}-{context.span_id:016x}-03"
    incoming = propagate.extract({**carrier, "tracestate": "vendor=x"})
    with captured.tracer.start_as_current_span("server", context=incoming):
        propagate.inject(carrier)
    assert carrier["tracestate"] == "vendor=x"
    server = captured.one("server")
    assert (server.trace_id, server.parent_id) == (context.trace_id, context.span_id)
    assert server.record.parent_is_remote


def test_a_watched_call_continues_what_came_in(captured: Captured) -> None:
    @monitor
    def handle() -> None: ...

    token = api.attach(remote())
    try:
        handle()
    finally:
        api.detach(token)
    span = captured.one("handle")
    assert (span.trace_id, span.parent_id, span.record.parent_is_remote) == (TRACE, PARENT, True)


class Mute(NonRecordingSpan):
    def get_span_context(self) -> SpanContext:
        raise RuntimeError("a foreign span that fails")


@pytest.fixture
def lenient() -> Iterator[None]:
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


def test_a_foreign_span_that_fails_begins_a_new_trace(captured: Captured, lenient: None) -> None:
    @monitor
    def handle() -> int:
        return 5

    context = set_span_in_context(Mute(INVALID_SPAN.get_span_context()), api.Context())
    token = api.attach(context)
    try:
        assert handle() == 5
        captured.tracer.start_span("made").end()
    finally:
        api.detach(token)
    assert [span.parent_id for span in captured.spans] == [0, 0]


# ── the provider ────────────────────────────────────────────────────────────────────────────────


def test_a_scope_is_named_in_what_it_records(captured: Captured) -> None:
    tracer = captured.provider.get_tracer("lib", "1.2", "https://schema", {"a": 1})
    tracer.start_span("x").end()
    site = captured.one().site
    assert (site.scope_name, site.scope_version, site.scope_schema_url) == (
        "lib",
        "1.2",
        "https://schema",
    )
    assert site.scope_attributes == {"a": 1}


def test_equal_scopes_are_one_site(captured: Captured) -> None:
    for _ in range(3):
        captured.provider.get_tracer("lib", "1.2").start_span("x").end()
    assert len({span.site.number for span in captured.spans}) == 1


@pytest.mark.parametrize("name", [None, "", 5])
def test_a_scope_may_be_named_badly(captured: Captured, name: Any) -> None:
    captured.provider.get_tracer(name).start_span("x").end()
    assert captured.one().site.scope_name in ("", "5")


def test_without_a_recorder_a_tracer_records_nothing_and_keeps_the_context() -> None:
    tracer = TracerProvider(RecorderSlot(), Resource({})).get_tracer("lib")
    assert isinstance(tracer, Tracer)
    with tracer.start_as_current_span(
        "x", context=remote(), links=[Link(SpanContext(1, 1, False))]
    ) as s:
        assert not s.is_recording()
        assert s.get_span_context().trace_id == TRACE
        assert current() is s


def test_after_shutdown_nothing_is_recorded(captured: Captured) -> None:
    provider = captured.provider
    tracer = provider.get_tracer("lib")
    tracer.start_span("before").end()
    assert provider.force_flush()
    provider.shutdown()
    tracer.start_span("after").end()
    assert [span.name for span in captured.spans] == ["before"]


def test_a_span_that_outlives_the_shutdown_is_still_recorded(captured: Captured) -> None:
    span = captured.tracer.start_span("late")
    captured.provider.shutdown()
    span.end()
    assert captured.one("late").span_id == span.get_span_context().span_id
