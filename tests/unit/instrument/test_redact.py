"""Secrets are blacked out, by name and by look; what is no secret stays readable."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tradespan.capture.arguments import Signature, argument_capture
from tradespan.capture.names import hiding
from tradespan.capture.redact import (
    MARK,
    configure_redaction,
    is_sensitive,
    plain,
    redact_and_cut,
    redact_text,
)
from tradespan.config.redaction import read_pattern
from tradespan.core import guard

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHQCAQEEIIrYSSNQFaA2\n-----END EC PRIVATE KEY-----"


@pytest.fixture
def defaults() -> Iterator[None]:
    """The settings as they are without any, afterwards."""
    yield
    configure_redaction()


@pytest.mark.parametrize(
    "name",
    [
        "password", "passwd", "PASSWORD", "user_password", "userPassword", "secret", "api_secret",
        "apiSecret", "token", "access_token", "api_key", "apikey", "apiKey", "APIKEY", "APIKey",
        "X-MBX-APIKEY", "OK-ACCESS-SIGN", "passphrase", "signature", "listenKey", "listen_key",
        "private_key", "privateKey", "seed", "mnemonic", "Authorization", "auth", "cookie", "otp",
        "session_id", "sessionToken", "client_secret", "credentials", "553", "554", "96", "925",
        "api_key_2", "binance.api.key", "webhook_url", "access_tokens", "token_2", "1402",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "name",
    [
        "author", "authority", "session", "trading_session", "tradingSession", "key", "keys",
        "symbol", "order_key", "tokenizer", "secretary", "spin", "opinion", "pinned", "seeded",
        "passed", "compass", "signal", "sign", "design", "cookiecutter", "55", "5531", "price", "",
        "monkey", "api", "api_version", "keyboard", "tokens_per_minute", "token_count",
        "token_symbol", "gen_ai.token.type", "signatureMethod", "signature_version",
        "password_length",
    ],
)  # fmt: skip
def test_names_of_what_is_no_secret(name: str) -> None:
    assert not is_sensitive(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # by look
        (f"sent {JWT} ok", "sent *** ok"),
        (f"sent {JWT[:60]}", "sent ***"),
        (PEM, "***"),
        (f"key:\n{PEM}\nnext", "key:\n***\nnext"),
        (PEM[:50], "***"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nxyz", "***"),
        (repr(PEM), "'***'"),
        ("Bearer abcdefgh12345678", "Bearer ***"),
        ("bearer  abc.def-ghi_jkl=", "bearer  ***"),
        ("basic dXNlcjpwYXNzd29yZA==", "basic ***"),
        ("https://bob:hunter2@host/path?x=1", "https://bob:***@host/path?x=1"),
        ("postgres://bob:p@ss@host:5432/db", "postgres://bob:***@host:5432/db"),
        ("redis://:hunter2@host", "redis://:***@host"),
        ("https://ghp_0123456789abcdefgh@github.com", "https://***@github.com"),
        # key and value
        ("api_key=abc", "api_key=***"),
        ("api_key = abc, x", "api_key = ***, x"),
        ("token: abc; next", "token: ***; next"),
        ("?symbol=X&signature=0a1b&y=2", "?symbol=X&signature=***&y=2"),
        ("/redirect%3Ftoken=abc", "/redirect%3Ftoken=***"),
        ('{"password": "a b", "x": 1}', '{"password": ***, "x": 1}'),
        ('{"password":"a\\"b","x":1}', '{"password":***,"x":1}'),
        ('"password": "cut of', '"password": ***'),
        ("{'password': 'a b', 'x': 1}", "{'password': ***, 'x': 1}"),
        ("Client(api_key='a b', x=1)", "Client(api_key=***, x=1)"),
        ("secret=b'a b'", "secret=***"),
        (r"{\"token\": \"a b\", \"x\": 1}", r"{\"token\": ***, \"x\": 1}"),
        ("passwords=['a', 'b'] x", "passwords=*** x"),
        ("secret => abc", "secret => ***"),
        ("('X-MBX-APIKEY', 'abc')", "('X-MBX-APIKEY', ***)"),
        ("X-MBX-APIKEY: abc\r\nHost: h", "X-MBX-APIKEY: ***\r\nHost: h"),
        ("Authorization: Bearer abcdefgh", "Authorization: ***"),
        ("Authorization: Basic dXNlcjpwYXNz\nHost: h", "Authorization: ***\nHost: h"),
        ("Authorization: HMAC id=1, sig=2\nx", "Authorization: ***\nx"),
        ("{'Authorization': 'Bearer abc', 'x': 1}", "{'Authorization': ***, 'x': 1}"),
        ("Cookie: a=1; b=2\nHost: h", "Cookie: ***\nHost: h"),
        # inside the value of a harmless key
        ("error: api_key=abc", "error: api_key=***"),
        ("url=https://bob:hunter2@host", "url=https://bob:***@host"),
        ('msg="password=hunter2 was wrong"', 'msg="password=*** was wrong"'),
        ("headers: Bearer abcdefgh12", "headers: Bearer ***"),
        ("a=b=c token=x", "a=b=c token=***"),
        # FIX, with its separator or the readable one
        ("8=FIX.4.4\x01553=bob\x01554=a b\x0110=3", "8=FIX.4.4\x01553=***\x01554=***\x0110=3"),
        ("8=FIX.4.4|95=3|96=a b|10=3", "8=FIX.4.4|95=3|96=***|10=3"),
    ],
)  # fmt: skip
def test_secrets_in_texts(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "trading session open by author Bob",
        "trading session: open, author: Bob",
        "basic strategy started",
        "Basic Information: none",
        "basic momentum",
        "bearer of news",
        "line 96: error",
        "order 553=done",
        "https://example.com:8080/path",
        "mailto:bob@example.com",
        "user@host",
        "12:30:45 filled 5 AAPL @ 100.5",
        "ratio 3:4, x=1, key=value",
        "password",
        "password=",
        "the token is missing",
        "symbol='AAPL', side=BUY",
        "eyJ is how they begin",
        "",
        "x",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("length", range(0, 60, 3))
def test_a_secret_on_the_cut_is_not_shown_in_part(length: int) -> None:
    text = f"{'x' * length} https://bob:hunter2@host/"
    for cut in range(length, len(text)):
        shown = redact_and_cut(text, cut)
        assert "hun" not in shown


def test_a_cut_says_that_it_is_one() -> None:
    assert redact_and_cut("x" * 11, 10) == "x" * 10 + "…"
    assert redact_and_cut("x" * 10, 10) == "x" * 10


SECRET = st.text(st.sampled_from("abcXYZ019+/_-"), min_size=9, max_size=40).map("S3cr".__add__)


@settings(max_examples=300)
@given(
    before=st.text(max_size=20).map(lambda text: text + " "),
    key=st.sampled_from(["password", "apiKey", "X-API-KEY", "client_secret", "token"]),
    form=st.sampled_from(
        ["{}={}", "{}: {}", '"{}": "{}"', "'{}': '{}'", "{}='{}'", "?{}={}&y=1", r"{}\": \"{}\""]
    ),
    secret=SECRET,
    after=st.text(max_size=20).map(" ".__add__),
)
@example("a:b ", "token", "{}={}", "S3crabcdefghi", " c:d")
def test_a_secret_beside_its_key_never_shows(
    before: str, key: str, form: str, secret: str, after: str
) -> None:
    shown = redact_text(before + form.format(key, secret) + after)
    assert secret not in shown
    assert MARK in shown


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab =:'\"\\/@.-\x01|&{}[]()\n") | st.characters(), max_size=80))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


HOSTILE = [
    "a", "a ", "=", ":", "a:", "a=b:", "token=", 'token="', "token='", "token=[", 'token=\\"',
    "://", "://a:", "://a:b", "://" + "a" * 16, "bearer ", "basic ", "basic a", "eyJ",
    "eyJaaaaaaaa.", "-----BEGIN ", "-----BEGIN A ", "-----BEGIN PRIVATE KEY-----",
    '("ab", ', "authorization: ",
    "\\", '\\"', "554=", "|554=", "a.", "-", "a" * 101 + "=", "\u0130", "İ=",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("end", ["", "!", "@", "="])
def test_no_text_takes_more_than_linear_time(piece: str, end: str) -> None:
    text = (piece * 20_000)[:20_000] + end
    began = time.perf_counter()
    redact_text(text)
    # 20,000 characters of plain text take 2 ms or less; quadratic behaviour takes seconds.
    assert time.perf_counter() - began < 0.25


# ── settings ────────────────────────────────────────────────────────────────────────────────────


def test_names_of_the_settings_are_hidden_too(defaults: None) -> None:
    assert redact_text("account=DU123") == "account=DU123"
    configure_redaction(names=["account", "deskCode"])
    assert redact_text("account=DU123 sub_account: 7 desk-code=A") == (
        "account=*** sub_account: *** desk-code=***"
    )
    assert not is_sensitive("accounting")
    assert not is_sensitive("desk")


def test_names_to_keep_stay_readable_exactly(defaults: None) -> None:
    configure_redaction(keep=["session_id", "token"])
    assert redact_text("sessionId=7 token=a my_token=b a/token=c") == (
        "sessionId=7 token=a my_token=*** a/token=c"
    )


def test_a_part_of_a_kept_name_is_not_kept_with_it(defaults: None) -> None:
    configure_redaction(keep=["my_session_id"])
    assert redact_text("my/session_id=7 my_session_id=8") == "my/session_id=*** my_session_id=8"


def test_patterns_of_the_settings_hide_what_they_match(defaults: None) -> None:
    configure_redaction(patterns=[read_pattern(r"DU\d{6}"), read_pattern(r"sk_\w+")])
    assert redact_text("account DU123456, key sk_live") == "account ***, key ***"


def test_a_match_is_found_wherever_it_stands_in_a_long_text(defaults: None) -> None:
    configure_redaction(patterns=[read_pattern(r"DU\d{900}")])
    secret = "DU" + "7" * 900
    for before in range(0, 5_000, 97):
        text = "x" * before + secret + "y" * (5_000 - before)
        assert redact_text(text) == text.replace(secret, MARK)


def test_nothing_is_hidden_where_redaction_is_off(defaults: None) -> None:
    configure_redaction(enabled=False, patterns=[re.compile("abc")])
    assert redact_text(f"token=abc {JWT}") == f"token=abc {JWT}"
    assert not is_sensitive("password")
    assert hiding(["account"])("account")


def test_settings_reach_functions_that_were_decorated_before(defaults: None) -> None:
    def order(account: str, symbol: str) -> None: ...

    capture = argument_capture(Signature(order), 100)  # type: ignore[arg-type]
    assert capture(("DU1", "AAPL"), {}) == ["'DU1'", "'AAPL'"]
    configure_redaction(names=["account"])
    assert capture(("DU1", "AAPL"), {}) == [MARK, "'AAPL'"]
    configure_redaction()
    assert capture(("DU1", "AAPL"), {}) == ["'DU1'", "'AAPL'"]


def test_a_text_found_clean_is_judged_anew_by_new_settings(defaults: None) -> None:
    assert redact_text("DU123456") == "DU123456"
    configure_redaction(patterns=[read_pattern(r"DU\d{6}")])
    assert redact_text("DU123456") == MARK


def test_the_texts_found_clean_are_few_and_short() -> None:
    for n in range(10_000):
        redact_text(f"order {n}")
    redact_text("x" * 1_000_000)
    assert len(plain) <= 4_096
    assert max(map(len, plain)) <= 96


def test_messages_of_our_own_errors_are_redacted_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = guard.raise_errors(False)
    try:
        guard.report("test of redaction", ValueError("refused: api_key=S3CRET https://a:b@host"))
    finally:
        guard.raise_errors(before)
    assert caplog.messages == [
        "test of redaction: ValueError: refused: api_key=*** https://a:***@host"
    ]
