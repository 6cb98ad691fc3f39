"""What exporters of all three signals wrote before a kill goes out by the agent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.receiver import Receiver
from tests.unit.bootstrap.conftest import Project
from tests.unit.bootstrap.test_exporters import KILLED, project, receiver

__all__ = ["project", "receiver"]


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_all_three_signals_of_a_killed_process_are_delivered(
    project: Project,
    receiver: Receiver,
    protocol: str,
) -> None:
    aimed = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
    }
    for program in ("spans.py", "rest.py"):
        assert project.bare(program, str(project.root), variables=aimed).status == KILLED
    done = subprocess.run(
        [sys.executable, "-m", "tradespan", "agent", str(project.root), "--once"],
        env=project.environment | aimed,
        cwd=project.folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(receiver.spans) == 300
    assert len(receiver.taken("logs")) == 300
    assert len(receiver.taken("metrics")) == 1
