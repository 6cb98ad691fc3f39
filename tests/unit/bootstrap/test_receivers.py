"""Receivers of OTLP as run.json names them, and the couriers that serve them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import Refuse
from tests.support.grpc_receiver import GrpcReceiver
from tests.support.receiver import Receiver
from tests.unit.sinks.signals import BATCHES, Made
from tradespan.bootstrap.couriers import build_courier, build_otlp_sink
from tradespan.bootstrap.diagnosis import check_receiver
from tradespan.bootstrap.folders import destinations
from tradespan.bootstrap.receivers import (
    OtlpKind,
    lacks_grpc,
    otlp_receivers,
    read_kind,
    sink_name,
)
from tradespan.config import Config, resolve_config
from tradespan.core.delivery import Accepted
from tradespan.core.records import Kind
from tradespan.forward.post import Destination

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"


@pytest.fixture
def resolve(tmp_path: Path) -> Callable[..., Config]:
    def run(environ: dict[str, str] | None = None, **arguments: Any) -> Config:
        given = {"HOME": str(tmp_path), **(environ or {})}
        return resolve_config(
            {"store": None, "logs_file": "none", **arguments}, environ=given, directory=tmp_path
        )

    return run


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("otlp", OtlpKind("traces", "")),
        ("otlp+json", OtlpKind("traces", "json")),
        ("otlp+grpc", OtlpKind("traces", "grpc")),
        ("otlp.logs", OtlpKind("logs", "")),
        ("otlp.metrics+grpc", OtlpKind("metrics", "grpc")),
        ("otlp.traces", OtlpKind("traces", "")),
        *[
            (kind, None)
            for kind in ("store", "otlp.", "otlp+", "otlp.x", "otlp+x", "otlpx", "", "+grpc")
        ],
    ],
)
def test_a_kind_says_signal_and_protocol_or_is_not_ours(kind: str, told: OtlpKind | None) -> None:
    assert read_kind(kind) == told


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json", "grpc"])
def test_what_the_settings_name_is_read_back(resolve: Callable[..., Config], protocol: str) -> None:
    config = resolve({BASE: "http://c:4317", PROTOCOL: protocol})
    kinds = [kind for kind, _ in otlp_receivers(config)]
    told = [read_kind(kind) for kind in kinds]
    way = {"http/protobuf": "", "http/json": "json", "grpc": "grpc"}[protocol]
    assert told == [OtlpKind(signal, way) for signal in ("traces", "logs", "metrics")]  # type: ignore[arg-type]
    assert len({sink_name(*each) for each in otlp_receivers(config)}) == 3


def test_a_run_of_the_first_version_keeps_its_cursor(resolve: Callable[..., Config]) -> None:
    first = ("otlp", "http://c:4318/v1/traces")
    assert otlp_receivers(resolve({BASE: "http://c:4318"}))[0] == first
    assert sink_name(*first) == "otlp-e9c4966b"


def test_each_signal_can_be_switched_off_or_go_elsewhere(resolve: Callable[..., Config]) -> None:
    config = resolve(
        {
            BASE: "http://c",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://prometheus/api/v1/otlp",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/json",
        }
    )
    assert destinations(config) == [
        ("otlp", "http://c/v1/traces"),
        ("otlp.metrics+json", "https://prometheus/api/v1/otlp"),
    ]


def test_several_receivers_each_get_everything_and_one_gets_the_token(
    resolve: Callable[..., Config],
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3cret"}
    for given in ("http://a http://b", ["http://a", "http://b", "http://a"]):
        config = resolve(environ, endpoint=given)
        assert [address for _, address in otlp_receivers(config)] == [
            f"http://{host}/v1/{signal}"
            for signal in ("traces", "logs", "metrics")
            for host in ("a", "b")
        ]
        assert [each.headers for each in config.otlp["logs"]] == [
            {"authorization": "s3cret"},
            {},
        ]


def test_no_secret_of_several_addresses_is_shown(resolve: Callable[..., Config]) -> None:
    config = resolve(endpoint=["http://a", "http://me:s3cret@b/?key=s3cret", "http://c"])
    shown = repr(config) + str(config.explain()) + str(otlp_receivers(config))
    assert "s3cret" not in shown + str(config.to_environment())
    assert config.otlp["traces"][1].headers == {}


def test_a_run_that_names_another_receiver_gets_no_token(
    receiver: Receiver, resolve: Callable[..., Config]
) -> None:
    environ = {BASE: "http://elsewhere", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3cret"}
    sink = build_otlp_sink(resolve(environ), "otlp", receiver.url)
    assert sink.deliver(BATCHES[0].batch()) == Accepted()
    sink.close()
    assert "authorization" not in receiver.requests[0].headers


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize("made", BATCHES, ids=lambda made: made.signal.name)
def test_a_destination_is_served_over_http(
    receiver: Receiver, resolve: Callable[..., Config], made: Made, protocol: str
) -> None:
    config = resolve(
        {PROTOCOL: protocol, "OTEL_EXPORTER_OTLP_HEADERS": "x=y"}, endpoint=receiver.address
    )
    deliver_to(config, made)
    assert len(receiver.taken(made.signal.name)) == made.count
    assert receiver.requests[0].headers["x"] == "y"


@pytest.mark.parametrize("address", ["http://{}", "{}"])
@pytest.mark.parametrize("made", BATCHES, ids=lambda made: made.signal.name)
def test_a_destination_is_served_over_grpc(
    resolve: Callable[..., Config], made: Made, address: str
) -> None:
    with GrpcReceiver() as receiver:
        environ = {PROTOCOL: "grpc", "OTEL_EXPORTER_OTLP_INSECURE": "true"}
        environ["OTEL_EXPORTER_OTLP_HEADERS"] = "x=y"
        deliver_to(resolve(environ, endpoint=address.format(receiver.target)), made)
        assert len(receiver.taken(made.signal.name)) == made.count
        assert receiver.metadata[0]["x"] == "y"


def deliver_to(config: Config, made: Made) -> None:
    for kind, address in destinations(config):
        courier = build_courier(config, Destination(kind, address))
        assert courier is not None
        told = read_kind(kind)
        assert told is not None
        if told.signal == made.signal.name:
            assert courier.sink.name == sink_name(kind, address)
            assert courier.sink.deliver(made.batch()) == Accepted()
        courier.close()


def test_the_store_takes_spans_only(resolve: Callable[..., Config], tmp_path: Path) -> None:
    courier = build_courier(resolve(), Destination("store", str(tmp_path / "store.db")))
    assert courier is not None
    assert courier.kind is Kind.SPAN
    courier.close()


def test_a_kind_of_a_later_version_has_no_courier(resolve: Callable[..., Config]) -> None:
    assert build_courier(resolve(), Destination("otlp+quic", "quic://c")) is None


def test_what_lacks_grpcio_is_said_and_waits_on_disk(
    resolve: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve({BASE: "http://me:s3cret@c:4317", PROTOCOL: "grpc"})
    assert lacks_grpc(config) == ""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name: None if name == "grpc" else find(name),
    )
    assert "pip install 'tradespan[otlp-grpc]'" in lacks_grpc(config)
    assert "s3cret" not in lacks_grpc(config)
    assert ("otlp+grpc", "http://c:4317") in destinations(config)
    assert lacks_grpc(resolve({BASE: "http://c"})) == ""


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_the_doctor_asks_each_receiver_for_each_signal(
    receiver: Receiver, resolve: Callable[..., Config], protocol: str
) -> None:
    config = resolve({PROTOCOL: protocol}, endpoint=receiver.address)
    receiver.play(Refuse(401, words="who are you?"))
    findings = list(check_receiver(config))
    assert [(each.good, each.says) for each in findings] == [
        (False, f"{receiver.url} does not take traces: HTTP 401: who are you?"),
        (True, f"{receiver.url_of('logs')} takes logs"),
        (True, f"{receiver.url_of('metrics')} takes metrics"),
    ]
    assert [receiver.taken(signal) for signal in ("traces", "logs", "metrics")] == [[], [], []]


def test_the_doctor_asks_by_grpc(resolve: Callable[..., Config]) -> None:
    with GrpcReceiver() as grpc_receiver:
        config = resolve({PROTOCOL: "grpc"}, endpoint=f"http://{grpc_receiver.target}")
        assert [each.good for each in check_receiver(config)] == [True] * 3
    assert [each.good for each in check_receiver(config)] == [False] * 3


def test_the_doctor_has_nobody_to_ask_without_an_endpoint(resolve: Callable[..., Config]) -> None:
    assert [each.good for each in check_receiver(resolve())] == [True]
