"""Secrets do not reach the spool: by the name of a field, and by the look of a text.

The marker is `***` and says nothing about what it hides. A verdict about a name is reached once and
cached; "trading session" and "author" are not secrets, so a name is judged by its whole words.
"""

from __future__ import annotations

import re
from functools import lru_cache

MARK = "***"

SENSITIVE_WORDS = frozenset(
    {
        "password", "passwd", "pwd", "secret", "token", "apikey", "passphrase", "signature",
        "listenkey", "privatekey", "seed", "mnemonic", "authorization", "cookie", "credential",
        "credentials", "otp", "pin", "jwt", "bearer", "webhook",
    }
)  # fmt: skip
SENSITIVE_PAIRS = frozenset(
    {
        ("api", "key"), ("private", "key"), ("secret", "key"), ("access", "key"), ("listen", "key"),
        ("signing", "key"), ("session", "id"), ("session", "token"), ("auth", "token"),
    }
)  # fmt: skip
SENSITIVE_FIX_TAGS = frozenset({"96", "553", "554", "925"})
"""RawData, Username, Password, NewPassword. Source: FIX 4.4."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_IN_TEXT = re.compile(
    r"""
    (?P<jwt>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)
    | (?P<pem>-----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z))
    | (?P<scheme>\b(?:bearer|basic)\s+)(?P<credential>[\w.~+/=-]{8,})
    | (?P<user>://[^\s/:@]{0,256}:)(?P<pass>[^\s/@]{1,256})(?=@)
    | (?P<key>[A-Za-z_][\w-]{1,40})(?P<equals>["']?\s?[=:]\s?)(?P<value>"[^"]*"|'[^']*'|[^\s,;&}\)]+)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


@lru_cache(maxsize=4096)
def is_sensitive(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    if name in SENSITIVE_FIX_TAGS:
        return True
    words = [word.lower() for word in _WORD.findall(name)]
    if any(word in SENSITIVE_WORDS for word in words) or "".join(words) in SENSITIVE_WORDS:
        return True
    return any(pair in SENSITIVE_PAIRS for pair in zip(words, words[1:], strict=False))


def redact_text(text: str) -> str:
    """The text with what looks like a secret replaced; everything else as it was."""
    if "=" not in text and ":" not in text and "eyJ" not in text and " " not in text:
        return text
    return _IN_TEXT.sub(_blacken, text)


def _blacken(match: re.Match[str]) -> str:
    if match["scheme"]:
        return f"{match['scheme']}{MARK}"
    if match["user"]:
        return f"{match['user']}{MARK}"
    if match["key"]:
        return f"{match['key']}{match['equals']}{MARK}" if is_sensitive(match["key"]) else match[0]
    return MARK
