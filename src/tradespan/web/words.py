"""What a trace says in words: what it is called, and what its critical path waited for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tradespan.core.records import AttributeValue
from tradespan.store.rows import SpanDetail
from tradespan.web.criticalpath import Step, Tree

ORDER_ID = "trading.order.client_id"
_WAITING_KINDS = frozenset({"CLIENT", "PRODUCER"})
_WAITING_NAME = re.compile(r"^(?:await|wait_for|wait_until|wait)[_ ]+(?P<what>\w.*)$")
_DOTTED = re.compile(r"[\w<>]+(?:\.[\w<>]+)+")
_PEERS = ("trading.venue", "server.address", "peer.service")
_SYMBOLS = ("trading.symbol", "tradespan.args.symbol", "symbol")


@dataclass(frozen=True, slots=True)
class Share:
    """What one function accounts for on the critical path."""

    label: str
    """A noun phrase: `Waiting for the venue`, `strategy.decide`, `execution.submit itself`."""
    time: int
    """Nanoseconds."""
    fraction: float
    """Of the whole path, 0 to 1."""
    node: int
    """The span with the largest part in it."""


def rank_shares(spans: Sequence[SpanDetail], tree: Tree, steps: Sequence[Step]) -> list[Share]:
    """The critical path by function, biggest first."""
    by_node: dict[int, int] = {}
    for step in steps:
        by_node[step.node] = by_node.get(step.node, 0) + step.end - step.start
    times: dict[str, int] = {}
    largest: dict[str, int] = {}
    for node, time in by_node.items():
        label = name_time(spans, tree, node)
        times[label] = times.get(label, 0) + time
        if label not in largest or time > by_node[largest[label]]:
            largest[label] = node
    total = sum(times.values()) or 1
    ranked = sorted(times.items(), key=lambda item: (-item[1], item[0]))
    return [Share(label, time, time / total, largest[label]) for label, time in ranked]


def name_time(spans: Sequence[SpanDetail], tree: Tree, node: int) -> str:
    """What a span was doing in its own time."""
    span = spans[tree.nodes[node].span]
    last = span.name.rsplit(".", 1)[-1]
    if waiting := _WAITING_NAME.match(last):
        return f"Waiting for {waiting['what'].replace('_', ' ')}"
    if span.kind in _WAITING_KINDS:
        return f"Waiting for {name_peer(span)}"
    name = shorten_name(span.name)
    return f"{name} itself" if tree.nodes[node].children else name


def name_peer(span: SpanDetail) -> str:
    """Whom a client's span talked to."""
    named = (span.attributes.get(key) for key in _PEERS)
    return next(
        (str(peer) for peer in named if peer), f"the other side of {shorten_name(span.name)}"
    )


def shorten_name(name: str) -> str:
    """A function with what it stands in alone: `Momentum.decide`, `risk.check`.

    The group beside it mostly names the rest. `assets/format.js` does the same. Names that are no
    dotted path stay as they are.
    """
    if not _DOTTED.fullmatch(name):
        return name
    parts = [part for part in name.split(".") if part != "<locals>"]
    return ".".join(parts[-2:])


def title_trace(root: SpanDetail) -> str:
    """The trace's name: its root's, and the symbol it was about if there is one."""
    symbol = next((root.attributes[key] for key in _SYMBOLS if key in root.attributes), None)
    name = shorten_name(root.name)
    return f"{name} {bare(symbol)}" if symbol else name


def bare(value: AttributeValue) -> str:
    """A captured string without the quotes of its `repr`."""
    text = str(value)
    quoted = len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]
    return text[1:-1] if quoted else text


def list_orders(spans: Sequence[SpanDetail]) -> list[str]:
    """The client order ids that the trace's spans name, in order of appearance."""
    named = (span.attributes.get(ORDER_ID) for span in spans)
    return list(dict.fromkeys(str(value) for value in named if value))
