"""Secrets in bytes, pairs, command lines, other notations and known shapes; and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from tradespan.capture.attributes import clean_attribute
from tradespan.capture.names import is_sensitive
from tradespan.capture.redact import redact_bytes, redact_text
from tradespan.capture.serialize import smart
from tradespan.capture.serializers import serializer

S = "S3cr3tV4lueS3cr3tV4lueS3cr3tV4lue42"
LONG = "a1B2" * 16

VALUES = [
    b'{"apiKey":"' + S.encode() + b'"}',
    bytearray(b"apiKey=" + S.encode()),
    {b"apiKey": S},
    ("apiKey", S),
    (b"X-MBX-APIKEY", S.encode()),
    [["X-MBX-APIKEY", S]],
    [("accept", "*"), ("X-MBX-APIKEY", S)],
    ["--api-key", S],
    ["run", "--password", S],
    (554, S),
]


@pytest.mark.parametrize("value", VALUES)
def test_a_secret_inside_a_structure_is_hidden(value: Any) -> None:
    shown = [smart(value), clean_attribute("body", value, None)]
    shown += [serializer(option)(value, 10_000) for option in ("repr", "json")]
    assert S not in repr(shown)


@pytest.mark.parametrize(
    "value",
    [
        [("96", "0.5"), ("554", "2.5")],
        ["BTC-USDT", "ETH-USDT"],
        ["--symbol", "BTC-USDT"],
        ["--verbose", "--token", "--quiet"],
        b"\xff\x00\x80 plain",
    ],
)
def test_a_structure_without_a_secret_stays_readable(value: Any) -> None:
    assert "***" not in repr([smart(value), clean_attribute("body", value, None)])
    assert "***" not in serializer("repr")(value, 10_000)


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    value = bytes(range(256))
    assert redact_bytes(value) == value
    assert redact_bytes(b"\xff apiKey=abc \xfe") == b"\xff apiKey=*** \xfe"


@pytest.mark.parametrize(
    "text",
    [
        f"--password {S}",
        f"API key: {S}",
        f"Invalid API key: {S}",
        f"Secret Key: {S}",
        f"Private key: 0x{S}",
        f"35=A\\x01554={S}\\x0110=1",
        f"35=A^A554={S}^A10=1",
        f"35=A;554={S};10=1",
        f"%22apiKey%22%3A%22{S}%22",
        f"<apiKey>{S}</apiKey>",
        f"<ns:apiKey kind='x'>{S}</ns:apiKey>",
        f"api_key->{S}",
        f"api_key -> {S}",
        f"api_key    :    {S}",
        f"recovery phrase: one two {S}",
        f"ghp_{S}",
        f"github_pat_{S}",
        f"sk-{S}",
        f"xoxb-{S}",
        f"xoxp-{S}",
        f"xprv{S}",
        f"https://api.telegram.org/bot123456789:{S}/getMe",
        f"https://hooks.slack.com/services/T00/B00/{S}",
        f"https://discord.com/api/webhooks/123/{S}",
        f"GET https://api.exchange.test/v5/order?symbol=X&sign={S}&recv=5000",
        f"https://api.exchange.test/v5/order?sig={S}",
    ],
)
def test_a_secret_in_a_text_is_hidden(text: str) -> None:
    for form in (text, f"order 5: {text}", f"a {text}", text):
        assert S not in redact_text(form)
        assert S not in str(smart(form))
        assert "***" in redact_text(form)


@pytest.mark.parametrize(
    "text",
    ["key AKIAIOSFODNN7EXAMPLE", f"/ws/{LONG}", f"/stream?streams={LONG}"],
)
def test_other_keys_by_look_are_hidden(text: str) -> None:
    assert redact_text(text).endswith("***")


NAMES = """apisecret accesstoken authtoken clientsecret sessionid session_id session_token apitoken
appkey app_key consumer_key db_pass smtp_pass userpass PGPASSWORD passcode authSig hmac wallet_key
wif xprv mfa_code recovery_phrase backup_codes creds pass password_hash api_token_1"""


@pytest.mark.parametrize("name", NAMES.split())
def test_a_name_hides(name: str) -> None:
    assert is_sensitive(name)


READABLE = """trading_session_id token_in token_out token_id token0 tokenA base_token quote_token
token_name token_list token_pair page_token cancel_token pin_bar is_pin_bar pin_memory seed_capital
seed_round random_seed auth_mode function_signature bearer_bond pass_count bypass passed"""


@pytest.mark.parametrize("name", READABLE.split())
def test_a_name_stays_readable(name: str) -> None:
    assert not is_sensitive(name)


@pytest.mark.parametrize(
    "text",
    [
        "seed: 42", "pin: 5 contracts", "token=USDC", "a -- b", "risk-limit 5", "task-5",
        "/ws/btcusdt@trade", "streams=btcusdt@trade/ethusdt@trade", "<b>5</b>", "bid -> ask",
        "the key: 5", "35=D;55=BTC;", "--symbol BTC-USDT", "--token is required",
        "/bottom/line", "/services/orders", "/move?sign=-1&sigma=0.5",
        "/q?design=roundandsquare-roof",
    ],
)  # fmt: skip
def test_a_text_without_a_secret_stays_readable(text: str) -> None:
    assert redact_text(text) == text


def test_a_secret_pin_or_token_is_hidden() -> None:
    assert redact_text("pin: 1234") == "pin: ***"
    assert redact_text("token=abcDEF12") == "token=***"
