"""What an agent does beside forwarding: chores, and the reading of metrics."""

from __future__ import annotations

from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from tradespan.bootstrap.receivers import read_kind
from tradespan.bootstrap.resource import build_resource
from tradespan.config import Config
from tradespan.core.records import Resource
from tradespan.forward.agent import Chore
from tradespan.forward.exemplars import Exemplars
from tradespan.forward.flush import Flusher
from tradespan.forward.limits import SpaceKeeper, SpaceLimits
from tradespan.forward.ownpoints import OwnPoints
from tradespan.forward.pagereader import PageReader
from tradespan.forward.post import Destination
from tradespan.forward.prepare import MOST, Preparer
from tradespan.spool.writer import SpoolLimits, SpoolWriter, draw_agents_identity
from tradespan.wire.codec import encode_record
from tradespan.wire.sites import SITES

AGENT_SERVICE = "tradespan-agent"
"""`service.name` of the agent's own metrics."""

_PREPARED_SHARE = 8
"""Part of the spool's bytes that prepared files may take, beside them."""


def build_chores(config: Config, *, beside: bool) -> tuple[Chore, ...]:
    """The chores of one root's agent.

    `beside`: whether the agent is a process of its own, which may do what would hold up the bot.
    """
    spool = config.spool
    chores: list[Chore] = [
        SpaceKeeper(config.root, SpaceLimits(spool.bytes, spool.age, spool.free)),
        Preparer(
            spool.segment_last,
            most=min(MOST, spool.bytes // _PREPARED_SHARE),
            floor=spool.free,
            prepares=beside,
        ),
    ]
    if spool.fsync != "off":
        chores.append(Flusher(spool.fsync))
    return tuple(chores)


def build_page_reader(config: Config, exemplars: Exemplars, own: OwnPoints) -> PageReader | None:
    """Who reads the runs' metric pages; None: metrics are switched off.

    `own`: the agent's own metrics.
    """
    if not config.metrics_enabled:
        return None
    limits = SpoolLimits(config.spool.segment_first, config.spool.segment_last)

    def make_writer(folder: Path) -> SpoolWriter:
        return SpoolWriter(
            folder,
            describe=lambda writer: encode_record(own.resource),
            site_payload=SITES.payload,
            limits=limits,
            draw_identity=draw_agents_identity,
        )

    return PageReader(
        config.metrics_interval,
        takes_metrics,
        make_writer,
        own,
        functions=exemplars.of,
    )


def takes_metrics(destination: Destination) -> bool:
    """Whether a destination is for metrics; the store has no tables for them yet."""
    told = read_kind(destination.kind)
    return told is not None and told.signal == "metrics"


def agents_resource(config: Config) -> Resource:
    """The agent's own; its instance is the root, which has one agent at any time."""
    resource = build_resource(config, bytes(16))
    facts = dict(resource.attributes)
    instance = str(uuid5(NAMESPACE_URL, f"{facts['host.name']}:{config.root.absolute()}"))
    facts |= {"service.name": AGENT_SERVICE, "service.instance.id": instance}
    del facts["process.pid"]
    return Resource(facts, resource.schema_url)
