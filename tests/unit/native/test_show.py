"""Plain values shown in C: as `smart` shows them in Python, and never a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.native.ways import compiled
from tradespan.capture.arguments import Signature, argument_capture
from tradespan.capture.names import in_text, text_verdicts
from tradespan.capture.redact import configure_redaction, replace_known
from tradespan.capture.serialize import smart

PIECES = st.sampled_from(
    [
        "api_key", "password", "token", "order", "symbol", "refused", "author", "96", "554",
        "Bearer ", "bearer", "basic ", "eyJ", "eyj", "-----BEGIN", "-", "=", ":", "://", "@", "|",
        "%3D", "\x01", "\x1c", "\n", " ", "\t", '("', "('", '"', "'", "\\", ",", "é", "abcdefgh",
        "S3CRETS3CRET", "{", "}", "0",
        "API", "key", "Recovery", "phrase", "^A", "\\x01", ";", "ghp_", "github_pat_", "sk-",
        "xoxb-",
        "AKIAIOSFODNN7EXAMPLE", "xprv", "/bot", "123456789", "/services/", "hooks.slack.com",
        "/api/webhooks/", "/ws/", "streams=", "a1" * 32, "<", "</", ">", "->", "--", "%22", "%3A",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text()


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    compiled()
    configure_redaction()
    yield
    configure_redaction()


def known() -> dict[str, bool]:
    for name in ("api_key", "password", "token", "order", "symbol", "refused", "author"):
        in_text(name)
    return text_verdicts


@given(TEXTS)
def test_a_text_that_is_quoted_is_quoted_as_python_does_and_holds_no_secret(text: str) -> None:
    known()
    quoted = compiled().quote(text, 1_000)
    if quoted is not None:
        assert quoted == repr(text)
        assert replace_known(text, in_text) == text


@given(TEXTS)
def test_what_is_found_harmless_holds_nothing_to_hide(text: str) -> None:
    if not compiled().scan(text, known()) & 0b011:
        assert replace_known(text, in_text) == text


@given(TEXTS)
def test_without_verdicts_every_key_is_looked_at(text: str) -> None:
    found = compiled().scan(text, None)
    named = re.search(r"[^\s=:]\s*[=:]", text)
    if named:
        assert found & 0b011


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BTC-USDT", 0),
        ("order 17 refused: price outside", 0),
        ("order 17 rejectedly: price", 1),
        ("api_key=abc", 1),
        ("x" * 200 + "=1", 1),
        ("it's", 4),
        ("Basic strategy", 2),
        ("https://host/path", 1),
        ("a@b", 2),
        ("é", 2),
    ],
)
def test_what_a_text_needs_looking_at_for(text: str, found: int) -> None:
    assert compiled().scan(text, known()) == found


def test_a_secret_is_never_quoted() -> None:
    for text in ("api_key=abc", "password: abc", "Bearer abcdefgh12345678", "eyJhbGciOi.x.y"):
        assert compiled().quote(text, 1_000) is None
        assert "abc" not in smart(text) or "***" in smart(text)


@given(
    st.lists(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.lists(st.integers())
    ).map(tuple),
    st.integers(0, 2),
)
def test_arguments_are_shown_as_one_by_one(values: tuple[Any, ...], start: int) -> None:
    shown = compiled().show_all(values, start, 50, smart)
    assert repr(shown) == repr([smart(value, 50) for value in values[start:]])


def test_what_a_user_wants_hidden_is_hidden_in_c_too() -> None:
    configure_redaction(patterns=[re.compile(r"DU\d{6}")])

    def pay(account: str) -> None: ...

    capture = argument_capture(Signature(pay), 100)  # type: ignore[arg-type]
    assert compiled().quote("DU123456", 100) is None
    assert capture(("DU123456",), {}) == ["'***'"]
    configure_redaction(names=["refused"])
    assert capture(("refused: DU123456",), {}) == ["'refused: ***'"]


def test_a_name_that_is_kept_readable_makes_every_key_python_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known()
    assert compiled().quote("order: 5", 100) == "'order: 5'"
    configure_redaction(keep=["order_token"])
    known()
    assert compiled().quote("order: 5", 100) is None


def test_a_length_is_kept_to() -> None:
    assert compiled().quote("abcdef", 5) is None
    assert smart("abcdef", 5) == "'abcde…'"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("quote", ("x",)),
        ("scan", ("x",)),
        ("scan", ("x", 5)),
        ("show_all", ([], 0, 1, smart)),
        ("use_verdicts", (5,)),
    ],
)
def test_wrong_arguments_are_refused(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        getattr(compiled(), name)(*arguments)


def test_a_function_that_fails_is_told_as_it_is() -> None:
    def broken(_value: Any, _length: int) -> Any:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        compiled().show_all((1, object()), 0, 10, broken)
