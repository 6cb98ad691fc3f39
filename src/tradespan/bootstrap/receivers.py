"""A receiver of OTLP as `run.json` names it.

A destination there is a pair, `[kind, address]`. The kinds of receivers are

    otlp[.SIGNAL][+PROTOCOL]        SIGNAL    logs, metrics; traces where it is not said
                                    PROTOCOL  json, grpc; HTTP with protobuf where it is not said

so that `otlp` means what it has meant from the first version on. An agent that does not know a kind
leaves its records on disk, for one that does. The address holds no secret.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tradespan.config import Config
from tradespan.config.model import OtlpDestination, OtlpGrpc
from tradespan.config.settings import SIGNALS
from tradespan.spool.folder import LOG_FILE

OTLP = "otlp"
STORE = "store"
Protocol = Literal["", "json", "grpc"]
_PROTOCOLS: dict[str, Protocol] = {"": "", "+json": "json", "+grpc": "grpc"}


class OtlpKind(NamedTuple):
    """What the kind of a destination says."""

    signal: str
    """One of `settings.SIGNALS`."""
    protocol: Protocol


def name_kind(signal: str, receiver: OtlpDestination) -> str:
    """The kind of a receiver that the settings name."""
    ending = "" if signal == "traces" else f".{signal}"
    if isinstance(receiver, OtlpGrpc):
        return f"{OTLP}{ending}+grpc"
    return f"{OTLP}{ending}+json" if receiver.encoding == "json" else OTLP + ending


def read_kind(kind: str) -> OtlpKind | None:
    """What a kind says; None if it is no receiver of OTLP, or one that this version lacks."""
    name, plus, protocol = kind.partition("+")
    first, dot, signal = name.partition(".")
    way = _PROTOCOLS.get(plus + protocol)
    if first != OTLP or way is None or (dot and signal not in SIGNALS):
        return None
    return OtlpKind(signal or "traces", way)


def receiver_address(receiver: OtlpDestination) -> str:
    """What stands in `run.json`: no secret."""
    return receiver.address if isinstance(receiver, OtlpGrpc) else receiver.shown


def otlp_receivers(config: Config) -> list[tuple[str, str]]:
    """The receivers that the settings name, each signal's, as `run.json` keeps them."""
    return [
        (name_kind(signal, receiver), receiver_address(receiver))
        for signal, receivers in config.otlp.items()
        for receiver in receivers
    ]


def lacks_grpc(config: Config) -> str:
    """Why nothing goes to a receiver that the settings name, for now; empty if all can be sent."""
    wanted = [
        receiver.shown
        for receivers in config.otlp.values()
        for receiver in receivers
        if isinstance(receiver, OtlpGrpc)
    ]
    if not wanted:
        return ""
    from importlib.util import find_spec  # optional extra: the supervisor does without

    if find_spec("grpc") is not None:
        return ""
    return (
        f"nothing is sent to {wanted[0]} for now: OTLP over gRPC needs grpcio; run `pip install "
        "'tradespan[otlp-grpc]'`, or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf. What is "
        "recorded stays on disk"
    )


def sink_name(kind: str, address: str) -> str:
    """A stable, short name for a destination's sink: of its cursor's file, and in the books."""
    if kind == STORE:
        return STORE
    if kind in (OTLP, LOG_FILE):
        return f"{kind}-{_digest(address)}"
    signal = kind.partition("+")[0].partition(".")[2]
    return f"{OTLP}-{signal + '-' if signal else ''}{_digest(f'{kind} {address}')}"


def _digest(text: str) -> str:
    import hashlib  # optional extra: 4 MB of OpenSSL, which the supervisor does without

    return hashlib.sha256(text.encode()).hexdigest()[:8]
