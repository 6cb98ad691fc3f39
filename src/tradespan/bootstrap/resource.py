"""OpenTelemetry's resource of one process generation."""

from __future__ import annotations

import os
from uuid import UUID

from tradespan.config import Config
from tradespan.core.described import describe_installation
from tradespan.core.records import AttributeValue, Resource
from tradespan.declare.names import TRADING_MODE


def build_resource(config: Config, writer: bytes) -> Resource:
    """Who records: service, mode and environment as configured, process and host as they are.

    `writer` identifies the process generation; a forked child has another one.
    """
    facts: dict[str, AttributeValue] = {
        **describe_installation(),
        "process.pid": os.getpid(),
        "service.instance.id": str(UUID(bytes=writer)),
    }
    facts.update(config.resource)
    facts["service.name"] = config.service_name
    facts[TRADING_MODE] = config.mode
    return Resource(facts)
