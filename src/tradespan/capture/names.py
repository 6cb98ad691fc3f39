"""Which names say that what stands under them is a secret.

"trading session" and "author" are no secrets, so a name is judged by its whole words; nor is what
is only said about one (`token_count`, `signatureMethod`). A verdict is reached once and cached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Protocol
from weakref import WeakSet

MARK = "***"
"""What stands for a secret; it says nothing about what it hides."""

SENSITIVE_WORDS = frozenset(
    {
        "password", "passwords", "passwd", "pwd", "secret", "secrets", "token", "apikey",
        "apikeys", "passphrase", "signature", "listenkey", "privatekey", "secretkey", "accesskey",
        "seed", "mnemonic", "authorization", "auth", "cookie", "cookies", "credential",
        "credentials", "otp", "totp", "pin", "jwt", "bearer", "webhook", "apisecret", "apitoken",
        "accesstoken", "refreshtoken", "authtoken", "clientsecret", "sessionid", "sessiontoken",
        "appkey", "userpass", "pgpassword", "passcode", "passcodes", "authsig", "hmac", "wif",
        "xprv", "creds",
    }
)  # fmt: skip
SENSITIVE_PAIRS = frozenset(
    {
        ("api", "key"), ("api", "keys"), ("private", "key"), ("private", "keys"), ("priv", "key"),
        ("secret", "key"), ("access", "key"), ("listen", "key"), ("signing", "key"),
        ("encryption", "key"), ("hmac", "key"), ("session", "id"), ("session", "token"),
        ("access", "tokens"), ("refresh", "tokens"), ("api", "tokens"), ("api", "sign"),
        ("access", "sign"), ("bapi", "sign"), ("pass", "word"), ("pass", "phrase"), ("app", "key"),
        ("consumer", "key"), ("wallet", "key"), ("db", "pass"), ("smtp", "pass"), ("user", "pass"),
        ("mfa", "code"), ("recovery", "phrase"), ("backup", "code"), ("backup", "codes"),
    }
)  # fmt: skip
SENSITIVE_FIX_TAGS = frozenset({"89", "96", "553", "554", "925", "1402", "1404"})
"""Signature, RawData, Username, Password, NewPassword, EncryptedPassword, EncryptedNewPassword.
Source: FIX 4.4, FIX 5.0 SP2."""

ABOUT = frozenset(
    {
        "address", "algorithm", "amount", "balance", "bucket", "count", "decimals", "enabled",
        "expires", "expiry", "length", "limit", "method", "missing",
        "mode", "policy", "price", "required",
        "size", "symbol", "ttl", "type", "valid", "version",
    }
)  # fmt: skip
"""Words that make of the one before them a fact about a secret, or a coin (`token_symbol`)."""

HARMLESS_PAIRS = frozenset(
    {
        ("token", "in"), ("token", "out"), ("token", "id"), ("token", "name"), ("token", "list"),
        ("token", "pair"), ("base", "token"), ("quote", "token"), ("page", "token"),
        ("cancel", "token"), ("pin", "bar"), ("pin", "memory"), ("seed", "capital"),
        ("seed", "round"), ("random", "seed"), ("function", "signature"), ("bearer", "bond"),
    }
)  # fmt: skip
"""Two words that together are no secret, though one of them alone would be."""
_HARMLESS_NAMES = frozenset({("token", place) for place in ("0", "1", "a", "b", "x", "y")})
"""The coins of a pool, as whole names: `api_token_1` is a secret."""
_SECRET_NAMES = frozenset({("pass",)})
_MARKETS = frozenset({"trading", "market", "auction"})
"""What has sessions that are no logins."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MOST_VERDICTS = 4_096
_LONGEST = 200
"""Characters of a name that are looked at, and kept with a verdict."""

Hides = Callable[[str], bool]
Words = tuple[str, ...]


class Judged(Protocol):
    """What has asked for verdicts, and asks again when the settings change."""

    def judge(self) -> None:
        """Ask anew."""


class _Settings:
    """The settings in force."""

    enabled = True
    also: frozenset[Words] = frozenset()
    kept: frozenset[Words] = frozenset()


verdicts: dict[str, bool] = {}
"""By name. `is_sensitive` fills it; the hot path reads it without a call."""
_judged: WeakSet[Judged] = WeakSet()
_own_verdicts: WeakSet[_Verdicts] = WeakSet()


def is_sensitive(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    known = verdicts.get(name)
    return _remember(verdicts, name, _is_secret(name)) if known is None else known


def hiding(names: Iterable[str]) -> Hides:
    """`is_sensitive` that hides some names more, whatever the settings say.

    A name hides every name that has its words one after the other: `account` also `sub_account`
    and `accountId`, but not `accounting`.
    """
    also = _all_words(names)
    return _Verdicts(also).hides if also else is_sensitive


class _Verdicts(dict[str, bool]):
    """Verdicts of one function that hides more names than others."""

    def __init__(self, also: frozenset[Words]) -> None:
        super().__init__()
        self.also = also
        _own_verdicts.add(self)

    def hides(self, name: str) -> bool:
        known = self.get(name)
        if known is None:
            return _remember(self, name, _is_named(name, self.also) or _is_secret(name))
        return known

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


def text_hides(hides: Hides) -> Hides:
    """What judges the keys in a text, where `hides` judges the names of fields."""
    return in_text if hides is is_sensitive else hides


def hides_key(key: Any, value: Any, hides: Hides) -> bool:
    """Whether a mapping's value is a secret: by its key, a text or the number of a FIX field."""
    if type(key) is bytes:
        name = key[:_LONGEST].decode("latin-1")
    elif type(key) is str or type(key) is int:
        name = str(key)
    else:
        return False
    # What FIX numbers so are texts; an order book may have a level of 96, too.
    return hides(name) and (name not in SENSITIVE_FIX_TAGS or type(value) in (str, bytes))


def hides_next(before: Any, value: Any, count: int, hides: Hides) -> bool:
    """Whether in a list of `count` members one is a secret, by the one before it.

    That one is the name of a pair, or a flag of a command line.
    """
    if type(value) not in (str, bytes, bytearray):
        return False
    if type(before) is str and before[:1] == "-":
        return value[:1] not in ("-", b"-") and hides(before.lstrip("-"))
    # An order book has levels of ("96", "0.5").
    if count != 2 or (type(before) is str and (before in SENSITIVE_FIX_TAGS or " " in before)):
        return False
    return hides_key(before, value, hides)


def is_users(name: str) -> bool:
    """Whether the settings hide this name, which may be one that is hidden anyway."""
    return bool(_Settings.also) and _is_named(name, _Settings.also)


def keeps_any() -> bool:
    """Whether the settings keep names readable that would not be."""
    return bool(_Settings.kept)


def configure_names(names: Iterable[str], keep: Iterable[str], *, enabled: bool) -> None:
    """Put settings in force. `names` are hidden too; `keep` are exactly these, and stay readable.

    `enabled`: False leaves every name readable but those that a decorator hides.
    """
    _Settings.enabled = enabled
    _Settings.also = _all_words(names)
    _Settings.kept = _all_words(keep)
    verdicts.clear()
    for own in list(_own_verdicts):
        own.clear()
    for judged in list(_judged):
        judged.judge()


def judge_again(judged: Judged) -> None:
    """Have verdicts that were reached before `configure_names` renewed by it."""
    _judged.add(judged)


def words_of(name: str) -> Words:
    """`apiKey`, `API-KEY` and `api.key` have the same two words."""
    return tuple(word.lower() for word in _WORD.findall(name))


text_verdicts = _Verdicts(frozenset())
in_text: Hides = text_verdicts.hides
"""`is_sensitive` for words of running text, whose verdicts would push those of fields out."""


def _all_words(names: Iterable[str]) -> frozenset[Words]:
    return frozenset(filter(None, map(words_of, names)))


def _remember(known: dict[str, bool], name: str, verdict: bool) -> bool:
    if len(known) >= _MOST_VERDICTS:
        known.clear()
    if len(name) <= _LONGEST:
        known[name] = verdict
    return verdict


def _is_named(name: str, names: frozenset[Words]) -> bool:
    words = words_of(name[:_LONGEST])
    return any(
        words[place : place + len(wanted)] == wanted
        for wanted in names
        for place in range(len(words) - len(wanted) + 1)
    )


def _is_secret(name: str) -> bool:
    settings = _Settings
    words = words_of(name[:_LONGEST])
    if not settings.enabled or words in settings.kept:
        return False
    if name in SENSITIVE_FIX_TAGS or (settings.also and _is_named(name, settings.also)):
        return True
    if words in _SECRET_NAMES or words in _HARMLESS_NAMES:
        return words in _SECRET_NAMES
    around = zip(("", *words), words, (*words[1:], ""), strict=False)
    if any(
        word in SENSITIVE_WORDS
        and after not in ABOUT
        and (word, after) not in HARMLESS_PAIRS
        and (before, word) not in HARMLESS_PAIRS
        for before, word, after in around
    ):
        return True
    if words[-2:] == ("session", "id") and not _MARKETS.isdisjoint(words[:-2]):
        return False
    return "".join(words) in SENSITIVE_WORDS or any(
        pair in SENSITIVE_PAIRS for pair in pairwise(words)
    )
