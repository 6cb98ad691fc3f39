from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.support.receiver import Receiver
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
