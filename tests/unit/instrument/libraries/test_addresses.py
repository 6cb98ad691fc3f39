"""Addresses as attributes and labels: bounded, and without secrets."""

from __future__ import annotations

import pytest

from tradespan.instrument.libraries.addresses import (
    MOST_TEMPLATES,
    Addresses,
    path_template,
    shown_path,
    without_queries,
)

LISTEN_KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("", "/"),
        ("/", "/"),
        ("/ws/btcusdt@trade", "/ws/btcusdt@trade"),
        ("/ws/btcusdt@depth20@100ms", "/ws/btcusdt@depth20@100ms"),
        ("/v2/iex", "/v2/iex"),
        ("/api/v3/openOrders", "/api/v3/openOrders"),
        (f"/ws/{LISTEN_KEY}", "/ws/{id}"),
        ("/orders/48213", "/orders/{id}"),
        ("/orders/61e69015-8549-4bfd-b9c3-01e75843f47d/fills", "/orders/{id}/fills"),
        ("/bot1234567890:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/send", "/{id}/send"),
    ],
)
def test_parts_that_look_like_ids_are_not_labels(path: str, template: str) -> None:
    assert path_template(path) == template


def test_a_key_in_a_path_is_not_shown() -> None:
    assert shown_path(f"/ws/{LISTEN_KEY}") == "/ws/***"
    assert shown_path("/ws/btcusdt@trade") == "/ws/btcusdt@trade"


def test_user_password_and_query_are_left_out() -> None:
    address = Addresses().read("wss://me:pass@Stream.Venue.com/feed?listenKey=topsecret#part")
    assert address.attributes == {
        "server.address": "stream.venue.com",
        "server.port": 443,
        "url.template": "/feed",
        "url.scheme": "wss",
        "url.path": "/feed",
    }


def test_labels_are_bounded() -> None:
    addresses = Addresses()
    read = [addresses.read(f"ws://venue:81/symbol-{letter * 3}/{n}x") for n, letter in LETTERS]
    labels = {tuple(address.labels.values()) for address in read}
    assert len(labels) == MOST_TEMPLATES + 1
    assert ("_OTHER", 0, "_OTHER") in labels
    assert read[-1].attributes["server.address"] == "venue"
    assert read[-1].attributes["url.template"] == read[-1].path
    assert addresses.read(f"ws://venue:81/symbol-{LETTERS[0][1] * 3}/0x") == read[0]


LETTERS = [(n, chr(97 + n % 26)) for n in range(3 * MOST_TEMPLATES)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://a/b?symbol=X&signature=ab12 refused", "GET https://a/b?*** refused"),
        ("url: /v3/order?timestamp=1&sig=ab (Caused by", "url: /v3/order?*** (Caused by"),
        ('{"url":"https://a/b?k=v"}', '{"url":"https://a/b?***"}'),
        ("really? a=b", "really? a=b"),
        ("nothing", "nothing"),
    ],
)  # fmt: skip
def test_queries_in_texts_are_hidden(text: str, shown: str) -> None:
    assert without_queries(text) == shown
