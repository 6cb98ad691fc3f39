"""OpenTelemetry's resource of one process generation."""

from __future__ import annotations

import os
import platform
import socket
import sys
from uuid import UUID

from tradespan.config import Config
from tradespan.core.records import AttributeValue, Resource
from tradespan.core.version import __version__
from tradespan.declare.names import TRADING_MODE


def build_resource(config: Config, writer: bytes) -> Resource:
    """Who records: service, mode and environment as configured, process and host as they are.

    `writer` identifies the process generation; a forked child has another one.
    """
    facts: dict[str, AttributeValue] = {
        "telemetry.sdk.name": "tradespan",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
        "process.pid": os.getpid(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "host.name": socket.gethostname(),
        "service.instance.id": str(UUID(bytes=writer)),
    }
    facts.update(config.resource)
    facts["service.name"] = config.service_name
    facts[TRADING_MODE] = config.mode
    return Resource(facts)
