"""Samplers and id generators by name, and ids of a user's own generator."""

from __future__ import annotations

import logging
from importlib import metadata
from typing import Any

import pytest
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler, TraceIdRatioBased
from opentelemetry.trace import TraceFlags

from tests.support.captured import Captured
from tradespan.core import guard
from tradespan.core.records import Resource
from tradespan.instrument import named
from tradespan.instrument.monitor import monitor
from tradespan.instrument.named import id_generator_named, sampler_named
from tradespan.instrument.tracer import Tracer, TracerProvider


@pytest.mark.parametrize(
    ("name", "argument", "description"),
    [
        ("always_on", None, "AlwaysOnSampler"),
        ("Always_Off", None, "AlwaysOffSampler"),
        ("parentbased_always_off", None, "ParentBased{root:AlwaysOffSampler"),
        ("traceidratio", "0.25", "TraceIdRatioBased{0.25}"),
        ("traceidratio", None, "TraceIdRatioBased{1.0}"),
        ("parentbased_traceidratio", "0", "ParentBased{root:TraceIdRatioBased{0.0}"),
    ],
)
def test_the_standard_samplers_have_names(
    name: str, argument: str | None, description: str
) -> None:
    sampler = sampler_named(name, argument)
    assert sampler is not None
    told: Any = sampler
    assert told.get_description().startswith(description)


@pytest.mark.parametrize("name", ["parentbased_always_on", ""])
def test_the_default_asks_nobody(name: str) -> None:
    assert sampler_named(name) is None


@pytest.mark.parametrize("argument", ["half", "1.5", "-1", "nan"])
def test_a_bad_ratio_is_said_and_every_trace_sampled(
    argument: str, caplog: pytest.LogCaptureFixture
) -> None:
    sampler = sampler_named("traceidratio", argument)
    assert sampler is not None
    assert sampler.get_description() == "TraceIdRatioBased{1.0}"
    assert f"OTEL_TRACES_SAMPLER_ARG={argument} " in caplog.text


def test_an_unknown_sampler_is_said_and_the_default_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert sampler_named("jaeger_remote") is None
    assert "OTEL_TRACES_SAMPLER=jaeger_remote" in caplog.text
    assert "parentbased_traceidratio" in caplog.text


def make_sampler(argument: str | None) -> Sampler:
    return TraceIdRatioBased(float(argument or 0))


def make_nothing(argument: str | None) -> str:
    return "no sampler"


class Counting(IdGenerator):
    """Counts from 1."""

    def __init__(self) -> None:
        self.given = 0

    def generate_span_id(self) -> int:
        self.given += 1
        return self.given

    def generate_trace_id(self) -> int:
        self.given += 1
        return self.given << 64


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a package that brings its own were installed."""

    def found(group: str, name: str) -> list[metadata.EntryPoint]:
        places = {"mine": "make_sampler", "wrong": "make_nothing", "counting": "Counting"}
        if name not in places:
            return []
        return [metadata.EntryPoint(name, f"{__name__}:{places[name]}", group)]

    monkeypatch.setattr(named, "entry_points", found)


@pytest.mark.usefixtures("entry_points")
def test_a_sampler_may_come_by_entry_point_with_its_argument() -> None:
    sampler = sampler_named("mine", "0.5")
    assert sampler is not None
    assert sampler.get_description() == "TraceIdRatioBased{0.5}"


@pytest.mark.usefixtures("entry_points")
def test_an_entry_point_that_makes_no_sampler_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert sampler_named("wrong") is None
    assert "it made a str, not a Sampler" in caplog.text


# ── id generators ───────────────────────────────────────────────────────────────────────────────


def generated(captured: Captured, generator: IdGenerator) -> Tracer:
    provider = TracerProvider(captured.slot, Resource({}), id_generator=generator)
    return provider.get_tracer("tests")


def test_ids_come_from_the_users_generator(captured: Captured) -> None:
    tracer = generated(captured, Counting())
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("child"):
        pass
    root, child = captured.one("root"), captured.one("child")
    assert (root.span_id, root.trace_id, child.span_id) == (1, 2 << 64, 3)
    assert child.trace_id == root.trace_id
    assert root.record.trace_flags == TraceFlags.SAMPLED, "counted ids are not random ones"


def test_watched_functions_have_generated_ids_too(captured: Captured) -> None:
    generated(captured, Counting())
    monitor(lambda: None)()
    assert captured.one().trace_id == 2 << 64


@pytest.mark.parametrize("bad", [0, -1, 1 << 64, "1", None])
def test_a_generator_that_gives_no_id_is_passed_over(captured: Captured, bad: Any) -> None:
    class Bad(Counting):
        def generate_span_id(self) -> int:
            return bad  # type: ignore[no-any-return]

    tracer = generated(captured, Bad())
    guard.raise_errors(False)
    tracer.start_span("x").end()
    assert captured.one("x").span_id > 0


@pytest.mark.usefixtures("entry_points")
def test_a_generator_may_come_by_entry_point(caplog: pytest.LogCaptureFixture) -> None:
    assert id_generator_named("random") is None
    assert type(id_generator_named("counting")).__name__ == "Counting"
    assert id_generator_named("xray") is None
    assert "OTEL_PYTHON_ID_GENERATOR=xray" in caplog.text
