"""Secrets do not reach the spool: by the name of a field, and by the look of a text.

The marker is `***` and says nothing about what it hides. A verdict about a name is reached once and
cached; "trading session" and "author" are not secrets, so a name is judged by its whole words.

Every expression here is linear: runs of characters are taken possessively (`++`, `{0,9}+`) and
bounded, so that no text of a stranger's makes them slow.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

MARK = "***"
_BEYOND = 256
"""Characters looked at beyond a cut, so that a secret on it is still seen whole."""

SENSITIVE_WORDS = frozenset(
    {
        "password", "passwords", "passwd", "pwd", "secret", "secrets", "token", "apikey",
        "passphrase", "signature", "listenkey", "privatekey", "secretkey", "accesskey", "seed",
        "mnemonic", "authorization", "auth", "cookie", "cookies", "credential", "credentials",
        "otp", "totp", "pin", "jwt", "bearer", "webhook",
    }
)  # fmt: skip
SENSITIVE_PAIRS = frozenset(
    {
        ("api", "key"), ("api", "keys"), ("private", "key"), ("priv", "key"), ("secret", "key"),
        ("access", "key"), ("listen", "key"), ("signing", "key"), ("encryption", "key"),
        ("hmac", "key"), ("session", "id"), ("session", "token"), ("api", "sign"),
        ("access", "sign"), ("bapi", "sign"),
    }
)  # fmt: skip
SENSITIVE_FIX_TAGS = frozenset({"96", "553", "554", "925"})
"""RawData, Username, Password, NewPassword. Source: FIX 4.4."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_IN_TEXT = re.compile(
    r"""
    (?P<jwt>(?<![\w-])eyJ[\w-]{8,}+(?:\.[\w-]*+){1,2})
    | (?P<pem>-----BEGIN\ (?:[A-Z0-9]{1,20}+\ ){0,4}PRIVATE\ KEY(?:\ BLOCK)?-----
        .*?(?:-----END\ [A-Z0-9\ ]{1,60}+-----|\Z))
    | (?P<scheme>\bbearer\s{1,8}+)[\w.~+/=-]{8,}+
    # A word after "basic" is a secret only if it looks like base64: "basic strategy" is none.
    | (?P<basic>\bbasic\s{1,8}+)(?-i:(?=[a-z]{0,99}+[A-Z0-9=+/]))
        (?-i:(?![A-Z]?[a-z]++(?![\w+/=])))[\w+/]{8,}+={0,2}+
    | (?P<user>://[^\s/:@]{0,256}+:)[^\s/]{1,256}(?=@)
    | (?P<lone>://)[\w-]{16,256}+(?=@)
    | \((?P<quote>["'])(?P<first>[\w.-]{2,100}+)(?P=quote),\s?+(?=[bru]?["'])
    | (?:(?<![\w.%-])|(?<=%[0-9A-F]{2}))(?P<key>[\w.-]{2,100}+)
        (?P<equals>\\?+["']?+\s{0,2}+(?:=>|[=:](?!//))\s{0,2}+)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)

_VALUE = re.compile(
    r"""
    [bru]{0,2}"(?:[^"\\]|\\.)*+(?:"|\Z)
    | [bru]{0,2}'(?:[^'\\]|\\.)*+(?:'|\Z)
    | \\"(?:[^"\\]|\\[^"])*+(?:\\"|\Z)
    | [\[{(][^\]})]{0,2000}+[\]})]?
    | (?:(?:bearer|basic|digest|token|hmac)\s{1,4}+)?[^\s,;&})\]|\x01]++
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_REST_OF_LINE = re.compile(r"[^\r\n]*")
_FIX_VALUE = re.compile(r"[^\x01|]*")


@lru_cache(maxsize=4096)
def is_sensitive(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    if name in SENSITIVE_FIX_TAGS:
        return True
    words = [word.lower() for word in _WORD.findall(name)]
    if any(word in SENSITIVE_WORDS for word in words) or "".join(words) in SENSITIVE_WORDS:
        return True
    return any(pair in SENSITIVE_PAIRS for pair in pairwise(words))


def redact_and_cut(text: str, length: int) -> str:
    """At most `length` characters of the redacted text, and a mark where it was cut."""
    if len(text) <= length:
        return redact_text(text)
    return redact_text(text[: length + _BEYOND])[:length] + "…"


def redact_text(text: str) -> str:
    """The text with what looks like a secret replaced; everything else as it was."""
    if "=" not in text and ":" not in text and "eyJ" not in text and " " not in text:
        return text
    match = _IN_TEXT.search(text)
    if match is None:
        return text
    pieces = []
    kept_to = 0
    while match is not None:
        end = match.end()
        secret = _secret_at(text, match)
        if secret is not None:
            start, end = secret
            pieces += [text[kept_to:start], MARK]
            kept_to = end
        match = _IN_TEXT.search(text, end)
    return "".join(pieces) + text[kept_to:] if pieces else text


def _secret_at(text: str, match: re.Match[str]) -> tuple[int, int] | None:
    """Where the secret stands that a match has led to; None if it is none after all."""
    kind = match.lastgroup
    if kind in ("jwt", "pem"):
        return match.span()
    if kind in ("scheme", "basic", "user", "lone"):
        return match.end(kind), match.end()
    key = match["key"] or match["first"]
    if not is_sensitive(key):
        return None
    value = _value_after(key, text, match)
    return None if value is None or value.end() == value.start() else value.span()


def _value_after(key: str, text: str, match: re.Match[str]) -> re.Match[str] | None:
    start = match.end()
    if key in SENSITIVE_FIX_TAGS:
        # `line 96: error` is no password: a tag stands between separators.
        in_message = text[max(match.start() - 1, 0) : match.start()] in ("\x01", "|")
        return _FIX_VALUE.match(text, start) if in_message and match["equals"] == "=" else None
    last = key.lower().rpartition("-")[2]
    if last in ("authorization", "cookie") and text[start : start + 1] not in ("'", '"', "\\"):
        return _REST_OF_LINE.match(text, start)
    return _VALUE.match(text, start)
