"""The provider in a program: OpenTelemetry's variables, objects given to `configure()`, and its
context keys.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from opentelemetry import context as api
from opentelemetry import trace
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.instrumentation.utils import (
    is_instrumentation_enabled,
    suppress_instrumentation,
)

from tests.support.captured import Captured, CapturedSpan, read_spans
from tradespan.instrument.monitor import monitor

BEGIN = """
import tradespan
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased

runtime = tradespan.configure(root="root", forwarder="external", store=None)
tracer = trace.get_tracer("lib")
"""


def execute(folder: Path, program: str, **variables: str) -> tuple[list[CapturedSpan], str, str]:
    """What a program writes, prints and says on standard error; variables are its only ones."""
    ended = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        cwd=folder,
        env={"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return read_spans(folder / "root"), ended.stdout, ended.stderr


def names(spans: list[CapturedSpan]) -> list[str]:
    return [span.name for span in spans]


SPAN = BEGIN + 'tracer.start_span("x").end()\n'


@pytest.mark.parametrize(
    ("variables", "written"),
    [
        ({}, ["x"]),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, []),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, []),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, []),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, ["x"]),
        ({"OTEL_TRACES_SAMPLER": ""}, ["x"]),
        ({"OTEL_SDK_DISABLED": "true"}, []),
    ],
    ids=str,
)
def test_variables_choose_what_is_sampled(
    tmp_path: Path, variables: dict[str, str], written: list[str]
) -> None:
    spans, _, said = execute(tmp_path, SPAN, **variables)
    assert (names(spans), said) == (written, "")


def test_an_unknown_sampler_or_generator_is_said_and_the_program_recorded(tmp_path: Path) -> None:
    spans, _, said = execute(
        tmp_path, SPAN, OTEL_TRACES_SAMPLER="mine", OTEL_PYTHON_ID_GENERATOR="xray"
    )
    assert names(spans) == ["x"]
    assert "OTEL_TRACES_SAMPLER=mine" in said
    assert "OTEL_PYTHON_ID_GENERATOR=xray" in said


def test_a_disabled_sdk_gives_spans_that_record_nothing(tmp_path: Path) -> None:
    program = BEGIN + "print(tracer.start_span('x').is_recording(), runtime.enabled)"
    _, printed, _ = execute(tmp_path, program, OTEL_SDK_DISABLED="TRUE")
    assert printed == "False False\n"


FAILS = (
    BEGIN
    + """
try:
    with tracer.start_as_current_span("x"):
        raise ValueError("no")
except ValueError:
    pass
"""
)


@pytest.mark.parametrize(("strict", "written"), [("0", ["x"]), ("1", [])])
def test_what_fails_is_kept_unless_the_sampler_is_strict(
    tmp_path: Path, strict: str, written: list[str]
) -> None:
    spans, _, _ = execute(
        tmp_path, FAILS, OTEL_TRACES_SAMPLER="always_off", TRADESPAN_STRICT_SAMPLER=strict
    )
    assert names(spans) == written


def test_without_a_sampler_the_sdk_is_not_imported(tmp_path: Path) -> None:
    program = SPAN.replace("from opentelemetry.sdk", "#") + dedent(
        """
        import sys
        print([name for name in sys.modules if name.startswith("opentelemetry.sdk.trace")])
        """
    )
    _, printed, _ = execute(tmp_path, program)
    assert printed == "[]\n"


def test_objects_given_in_code_hold_for_the_process(tmp_path: Path) -> None:
    program = """
        import tradespan
        from opentelemetry import trace
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

        class One(RandomIdGenerator):
            def generate_span_id(self):
                return 1

        exporter = ConsoleSpanExporter(formatter=lambda span: span.name + "\\n")
        settings = {"root": "root", "forwarder": "external", "store": None}
        runtime = tradespan.configure(
            sampler=ALWAYS_ON, id_generator=One(),
            span_processors=[BatchSpanProcessor(exporter)], **settings
        )
        assert tradespan.configure(**settings) is runtime
        assert tradespan.configure(sampler=ALWAYS_ON, **settings) is runtime
        try:
            tradespan.configure(sampler=ALWAYS_OFF, **settings)
        except tradespan.core.errors.AlreadyConfigured as error:
            assert "sampler is" in str(error)
        else:
            raise AssertionError("another sampler was taken")

        @tradespan.monitor(name="watched")
        def work(): ...

        work()
        trace.get_tracer("lib").start_span("by hand").end()
        """
    spans, printed, said = execute(tmp_path, program)
    assert sorted(names(spans)) == ["by hand", "watched"]
    assert {span.span_id for span in spans} == {1}
    assert (printed, said) == ("watched\nby hand\n", ""), "exported at the exit"


def test_limits_come_from_opentelemetrys_variables(tmp_path: Path) -> None:
    program = (
        BEGIN
        + """
other = trace.SpanContext(1, 2, is_remote=True)
long = {"a": "x" * 50, "b": "y" * 50}
links = [trace.Link(other, long), trace.Link(other, long)]
span = tracer.start_span("x", attributes={**long, "c": "z" * 50}, links=links)
for number in range(4):
    span.add_event("event", {**long, "c": 1})
span.end()
"""
    )
    spans, _, _ = execute(
        tmp_path,
        program,
        OTEL_ATTRIBUTE_COUNT_LIMIT="2",
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="5",
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="7",
        OTEL_SPAN_EVENT_COUNT_LIMIT="3",
        OTEL_SPAN_LINK_COUNT_LIMIT="1",
        OTEL_LINK_ATTRIBUTE_COUNT_LIMIT="1",
        OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT="",
    )
    (span,) = spans
    assert span.own == {"b": "y" * 7, "c": "z" * 7}
    assert [event.attributes for event in span.events] == [{"a": "x" * 5, "b": "y" * 5}] * 3
    assert [link.attributes for link in span.record.links or []] == [{"a": "x" * 5}]
    assert span.record.dropped == (1, 1, 1)


def test_a_limit_that_is_no_number_is_said_by_its_variables_name(tmp_path: Path) -> None:
    spans, _, said = execute(tmp_path, SPAN, OTEL_SPAN_LINK_COUNT_LIMIT="many")
    assert names(spans) == ["x"]
    assert "OTEL_SPAN_LINK_COUNT_LIMIT" in said


# ── suppressed instrumentations ─────────────────────────────────────────────────────────────────


def test_suppression_holds_inside_spans_of_ours_and_ends(captured: Captured) -> None:
    @monitor
    def work() -> bool:
        with captured.tracer.start_as_current_span("inner"):
            return is_instrumentation_enabled()

    assert work()
    with suppress_instrumentation():
        assert not work()
        with captured.tracer.start_as_current_span("outer"):
            assert not is_instrumentation_enabled()
            assert api.get_value("suppress_instrumentation") is True
    assert work()
    inner = [span.parent_id for span in captured.named("inner")]
    assert inner == [span.span_id for span in captured.named("work")]


def test_a_suppressed_instrumentation_makes_no_span(captured: Captured) -> None:
    URLLibInstrumentor().instrument(tracer_provider=captured.provider)
    try:
        with captured.tracer.start_as_current_span("poll"):
            with suppress_instrumentation(), pytest.raises(URLError):
                urlopen("http://127.0.0.1:9/quiet")
            with pytest.raises(URLError):
                urlopen("http://127.0.0.1:9/told")
    finally:
        URLLibInstrumentor().uninstrument()
    told = [span.attributes.get("http.url") for span in captured.spans if span.name != "poll"]
    assert told == ["http://127.0.0.1:9/told"]
    assert captured.named("GET")[0].parent_id == captured.one("poll").span_id
    assert trace.get_current_span() is trace.INVALID_SPAN
