"""Programs on OpenTelemetry's own SDK, with our exporters: real processes, killed and delivered."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

import tradespan
from tests.support.receiver import Receiver
from tests.unit.bootstrap.conftest import Project
from tradespan.bootstrap.environment import RUN_FOLDER
from tradespan.core.delivery import Cursor
from tradespan.core.records import Kind
from tradespan.forward.source import FolderSource
from tradespan.spool.folder import RunFolder, run_folders
from tradespan.wire.signals import SIGNALS

KILLED = -signal.SIGKILL
SPANS = """
    import os, sys
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.trace import StatusCode
    from tradespan import SpoolSpanExporter

    provider = TracerProvider(resource=Resource.create({"service.name": "desk"}))
    provider.add_span_processor(SimpleSpanProcessor(SpoolSpanExporter(sys.argv[1])))
    tracer = provider.get_tracer("desk")
    for number in range(300):
        with tracer.start_as_current_span("tick", attributes={"n": number}) as span:
            if number % 10 == 0:
                span.set_status(StatusCode.ERROR)
    os.kill(os.getpid(), 9)
"""
REST = """
    import os, sys
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry._logs import LogRecord
    from tradespan import SpoolLogExporter, SpoolMetricExporter

    logs = LoggerProvider()
    exporter = SpoolLogExporter(sys.argv[1], service="desk")
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    reader = PeriodicExportingMetricReader(SpoolMetricExporter(sys.argv[1], service="desk"))
    counter = MeterProvider([reader]).get_meter("desk").create_counter("orders")
    counter.add(7)
    reader.force_flush()
    for number in range(300):
        logs.get_logger("desk").emit(LogRecord(body=number))
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    made = Project(folder, tmp_path / "root")
    # The tradespan under test, also where another one is installed.
    made.environment["PYTHONPATH"] = str(Path(tradespan.__file__).parents[1])
    made.write({"spans.py": SPANS, "rest.py": REST})
    return made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def read_back(folder: RunFolder, kind: Kind) -> list[Any]:
    source = FolderSource(folder, kind, SIGNALS[kind].decode, Cursor())
    given = source.next_batch()
    source.close()
    assert given is not None
    return [record for part in given[0].slices for record in part.records]


def test_spans_that_had_ended_when_the_process_was_killed_are_delivered(
    project: Project, receiver: Receiver
) -> None:
    aimed = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address}
    assert project.bare("spans.py", str(project.root), variables=aimed).status == KILLED
    (folder,) = run_folders(project.root)
    assert folder.description["service"] == "spans"
    assert ["otlp", receiver.url] in folder.description["destinations"]
    done = subprocess.run(
        [sys.executable, "-m", "tradespan", "agent", str(project.root), "--once"],
        env=project.environment,
        cwd=project.folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert sorted(span.attributes["n"] for span in receiver.spans) == list(range(300))
    lanes = {span.resource["tradespan.lane"] for span in receiver.spans if span.status_code == 2}
    assert lanes == {"error"}
    assert len([span for span in receiver.spans if span.status_code == 2]) == 30
    assert {span.resource["service.name"] for span in receiver.spans} == {"desk"}


def test_log_records_and_metrics_of_a_killed_process_are_in_its_folder(project: Project) -> None:
    assert project.bare("rest.py", str(project.root)).status == KILLED
    (folder,) = run_folders(project.root)
    assert folder.description["service"] == "desk"
    assert [log.body for log in read_back(folder, Kind.LOG)] == list(range(300))
    (reading,) = read_back(folder, Kind.METRIC)
    request = ExportMetricsServiceRequest.FromString(
        b"".join([b"\x0a", _varint(len(reading.resource_metrics)), reading.resource_metrics])
    )
    (metric,) = request.resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.sum.data_points[0].as_int) == ("orders", 7)


def _varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, number >> 7]) if number > 0x7F else bytes([number])


def test_below_tradespan_run_the_runs_folder_is_joined(project: Project) -> None:
    project.write(
        {"both.py": SPANS.replace("SpoolSpanExporter(sys.argv[1])", "SpoolSpanExporter()")}
    )
    folder = RunFolder.create(project.root, "test")
    folder.describe(service="test", pid=1)
    below = {RUN_FOLDER: str(folder.path)}
    assert project.bare("both.py", variables=below).status == KILLED
    assert [each.path for each in run_folders(project.root)] == [folder.path]
    assert folder.description == {"service": "test", "pid": 1}
    assert len(read_back(folder, Kind.SPAN)) == 300


def test_a_root_that_cannot_be_used_leaves_the_program_alone(project: Project) -> None:
    (project.folder / "file").write_text("")
    project.write({"plain.py": SPANS.replace("os.kill(os.getpid(), 9)", "print('done')")})
    end = project.bare("plain.py", str(project.folder / "file"))
    assert (end.status, end.out) == (0, "done\n")
    assert "The program runs, unrecorded" in end.err


def test_a_disabled_tradespan_writes_nothing(project: Project) -> None:
    end = project.bare("rest.py", str(project.root), variables={"OTEL_SDK_DISABLED": "true"})
    assert end.status == KILLED
    assert list(run_folders(project.root)) == []
