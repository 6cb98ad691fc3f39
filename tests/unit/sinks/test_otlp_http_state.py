"""What others may see of a sink while it works: whether its receiver answers."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.support.faults import AcceptPartly, Fault, Hang, Refuse
from tests.support.receiver import Receiver
from tests.unit.sinks.builders import make_batch
from tradespan.sinks.otlp_http import OtlpHttpSink


def test_a_new_sink_is_neither_failing_nor_waiting(sink: OtlpHttpSink) -> None:
    assert (sink.last_error, sink.failing_since, sink.waiting_since) == (None, None, None)


def test_a_failure_is_told_from_its_beginning_until_a_success(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    receiver.play(Refuse(503, words="first"))
    receiver.play(Refuse(401, words="second"))
    sink.deliver(make_batch())
    since = sink.failing_since
    assert since is not None
    assert sink.last_error == "HTTP 503: first"
    sink.deliver(make_batch())
    assert (sink.failing_since, sink.last_error) == (since, "HTTP 401: second")
    sink.deliver(make_batch())
    assert [sink.failing_since, sink.last_error] == [None, None]


@pytest.mark.parametrize("fault", [Refuse(400), Refuse(413), AcceptPartly(1)])
def test_a_receiver_that_refuses_for_good_is_not_failing(
    receiver: Receiver, sink: OtlpHttpSink, fault: Fault
) -> None:
    receiver.play(Refuse(503))
    receiver.play(fault)
    sink.deliver(make_batch())
    sink.deliver(make_batch())
    assert sink.failing_since is None
    assert sink.last_error is not None


def test_a_receiver_that_is_gone_is_failing(receiver: Receiver, sink: OtlpHttpSink) -> None:
    receiver.stop()
    sink.deliver(make_batch())
    assert sink.failing_since is not None
    assert sink.last_error is not None
    assert "ConnectionRefusedError" in sink.last_error


def test_a_delivery_under_way_tells_since_when(
    receiver: Receiver, make_sink: Callable[..., OtlpHttpSink]
) -> None:
    sink = make_sink(timeout=60.0)
    receiver.play(Hang())
    delivery = threading.Thread(target=sink.deliver, args=(make_batch(),))
    delivery.start()
    receiver.wait_for_requests(1)
    assert sink.waiting_since is not None
    assert sink.failing_since is None
    receiver.recover()
    delivery.join(5)
    assert sink.waiting_since is None
