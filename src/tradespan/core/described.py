"""What a process of this installation, on this machine, says of itself whoever it is."""

from __future__ import annotations

import platform
import socket
import sys

from tradespan.core.version import __version__


def describe_installation() -> dict[str, str]:
    """Facts of OpenTelemetry's resource that the processes of one run have in common."""
    return {
        "telemetry.sdk.name": "tradespan",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "host.name": socket.gethostname(),
    }
