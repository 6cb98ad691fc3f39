from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.support.receiver import Receiver
from tests.unit.sinks.builders import Pair
from tradespan.sinks.otlp_http import OtlpHttpSink


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def make_sink(receiver: Receiver) -> Iterator[Callable[..., OtlpHttpSink]]:
    """A sink to the receiver, or to the `url` given; closed when the test ends."""
    with ExitStack() as opened:

        def make(url: str = "", **options: Any) -> OtlpHttpSink:
            sink = OtlpHttpSink("otlp-test", url or receiver.url, **options)
            return opened.enter_context(closing(sink))

        yield make


@pytest.fixture
def sink(make_sink: Callable[..., OtlpHttpSink]) -> OtlpHttpSink:
    return make_sink()


@pytest.fixture(scope="module")
def make_pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    folder = tmp_path_factory.mktemp("certificates")

    def make(name: str, address: str, *options: str) -> Pair:
        pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2"
        command += f" -subj /CN={name} -addext subjectAltName=IP:{address}"
        files = ["-out", str(pair.certificate), "-keyout", str(pair.key)]
        protection = options or ("-nodes",)
        subprocess.run(
            [*command.split(), *files, *protection], check=True, capture_output=True, timeout=30
        )
        return pair

    return make
