"""Where spans go, by the OTLP exporter specification's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.conftest import Resolve, WriteFile
from tradespan.config import Config, OtlpGrpc, OtlpHttp
from tradespan.core.errors import InvalidSetting

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


def http(config: Config) -> OtlpHttp:
    assert isinstance(config.otlp_traces, OtlpHttp)
    return config.otlp_traces


def grpc(config: Config) -> OtlpGrpc:
    assert isinstance(config.otlp_traces, OtlpGrpc)
    return config.otlp_traces


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("http://collector:4318/mycollector/", "http://collector:4318/mycollector/v1/traces"),
        ("https://collector", "https://collector/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
        ("https://c/otlp?tenant=a", "https://c/otlp/v1/traces?tenant=a"),
    ],
)
def test_a_base_address_gets_the_signals_path(resolve: Resolve, base: str, url: str) -> None:
    assert http(resolve({BASE: base})).url == url
    assert http(resolve(endpoint=base)).url == url


@pytest.mark.parametrize(
    ("own", "url"),
    [
        ("http://collector:4318/some/path", "http://collector:4318/some/path"),
        ("http://collector:4318/", "http://collector:4318/"),
        ("http://collector:4318", "http://collector:4318/"),
    ],
)
def test_the_signals_own_address_is_used_as_it_is(resolve: Resolve, own: str, url: str) -> None:
    assert http(resolve({TRACES: own, BASE: "http://other"})).url == url


def test_code_outranks_the_environment_and_the_environment_the_file(
    resolve: Resolve, write_file: WriteFile
) -> None:
    write_file('[otlp.traces]\nendpoint = "http://file/own"\n')

    assert http(resolve()).url == "http://file/own"
    assert http(resolve({BASE: "http://env"})).url == "http://env/v1/traces"
    environ = {TRACES: "http://env/own"}
    assert http(resolve(environ)).url == "http://env/own"
    assert http(resolve(environ, endpoint="http://code")).url == "http://code/v1/traces"
    assert http(resolve(environ)).origin == f"environment {TRACES}"


def test_the_exporter_none_switches_otlp_off(resolve: Resolve) -> None:
    assert resolve({BASE: "http://c", "OTEL_TRACES_EXPORTER": "none"}).otlp_traces is None


def test_an_address_in_code_outranks_the_exporter_none(resolve: Resolve) -> None:
    assert resolve({"OTEL_TRACES_EXPORTER": "none"}, endpoint="http://c").otlp_traces is not None


def test_the_exporter_otlp_alone_means_the_specifications_address(resolve: Resolve) -> None:
    environ = {"OTEL_TRACES_EXPORTER": "otlp,console"}

    assert http(resolve(environ)).url == "http://localhost:4318/v1/traces"
    assert grpc(resolve({**environ, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})).target == (
        "localhost:4317"
    )


def test_an_exporter_that_we_lack_is_ignored_with_a_warning(resolve: Resolve) -> None:
    config = resolve({"OTEL_TRACES_EXPORTER": "zipkin"})

    assert config.otlp_traces is None
    assert "OTEL_TRACES_EXPORTER" in config.warnings[0]


@pytest.mark.parametrize("address", ["collector:4318", "ftp://c", "http://", "http://c:x", "/v1"])
def test_an_address_that_http_cannot_use_is_refused(resolve: Resolve, address: str) -> None:
    with pytest.raises(InvalidSetting, match="starts with http:// or https://") as caught:
        resolve({BASE: address})

    assert (caught.value.key, caught.value.origin) == ("otlp.endpoint", f"environment {BASE}")


def test_a_base_address_with_the_path_already_in_it_is_warned_of(resolve: Resolve) -> None:
    config = resolve(endpoint="http://u:secret@c/v1/traces")

    assert http(config).url == "http://u:secret@c/v1/traces/v1/traces"
    assert "gets it once more" in config.warnings[0]
    assert "secret" not in config.warnings[0]


@pytest.mark.parametrize(
    ("address", "insecure", "target", "secure"),
    [
        ("http://c:4317", "false", "c:4317", False),
        ("https://c:4317/path", "true", "c:4317", True),
        ("c:4317", "false", "c:4317", True),
        ("c:4317", "true", "c:4317", False),
        ("dns:///c:4317", "true", "dns:///c:4317", False),
        ("https://me:secret@c:4317", "false", "c:4317", True),
    ],
)
def test_a_grpc_target_is_secure_by_its_scheme_first(
    resolve: Resolve, address: str, insecure: str, target: str, secure: bool
) -> None:
    environ = {
        BASE: address,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_INSECURE": insecure,
    }
    destination = grpc(resolve(environ))

    assert (destination.target, destination.secure) == (target, secure)


@pytest.mark.parametrize(
    ("protocol", "encoding"), [("http/protobuf", "protobuf"), ("HTTP/JSON", "json")]
)
def test_the_protocol_chooses_the_encoding(resolve: Resolve, protocol: str, encoding: str) -> None:
    environ = {BASE: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}

    assert http(resolve(environ)).encoding == encoding


def test_the_signals_own_options_outrank_the_general_ones(resolve: Resolve, project: Path) -> None:
    for name in ("ca.pem", "own.pem", "key.pem", "client.pem"):
        (project / name).touch()
    general = {
        BASE: "http://c",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "GZIP",
        "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=a%3Db,x=y=z,",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "key.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "client.pem",
    }
    destination = http(resolve(general))

    assert destination.timeout == 2.5
    assert destination.compression == "gzip"
    assert destination.headers == {"api-key": "a=b", "x": "y=z"}
    assert destination.certificate == project / "ca.pem"
    assert destination.client_key == project / "key.pem"
    assert destination.client_certificate == project / "client.pem"

    own = {
        **general,
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "0",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "own=1",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "own.pem",
    }
    destination = http(resolve(own))

    assert destination.timeout is None
    assert destination.compression == "none"
    assert destination.headers == {"own": "1"}
    assert destination.certificate == project / "own.pem"


def test_a_timeout_that_looks_like_seconds_is_warned_of(resolve: Resolve) -> None:
    config = resolve({BASE: "http://c", "OTEL_EXPORTER_OTLP_TIMEOUT": "10"})

    assert http(config).timeout == 0.01
    assert "is 10 milliseconds" in config.warnings[0]


@pytest.mark.parametrize("headers", ["a", "=b", "a b=c", "a=b%0d%0ax:y", "a=%ff"])
def test_headers_that_are_none_are_refused(resolve: Resolve, headers: str) -> None:
    with pytest.raises(InvalidSetting, match="expected name1=value1"):
        resolve({"OTEL_EXPORTER_OTLP_HEADERS": headers})


def test_headers_in_the_file_are_a_table(resolve: Resolve, write_file: WriteFile) -> None:
    write_file('[otlp]\nendpoint = "http://c"\n[otlp.headers]\nAuthorization = "Bearer a=b,c"\n')

    assert http(resolve()).headers == {"authorization": "Bearer a=b,c"}


def test_a_destination_shows_no_secret(resolve: Resolve) -> None:
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter2"}
    config = resolve(environ, endpoint="https://me:hunter2@c/?key=hunter2")

    assert http(config).shown == "https://***@c/v1/traces?key=***"
    assert "hunter2" not in repr(config)
    assert "hunter2" not in repr(config.otlp_traces)
    assert "hunter2" not in str(config.explain())
