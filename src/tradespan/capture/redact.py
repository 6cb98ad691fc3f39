"""Secrets do not reach the spool: by the name of a field (`names.py`), and by the look of a text.

Every expression here is linear: runs of characters are taken possessively (`++`, `{0,9}+`) and
bounded, so that no text of a stranger's makes them slow. Most texts never meet them: what a secret
cannot be without is looked for first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from tradespan.capture.names import (
    MARK,
    SENSITIVE_FIX_TAGS,
    Hides,
    configure_names,
    in_text,
    is_sensitive,
    is_users,
    keeps_any,
    text_verdicts,
)
from tradespan.core import guard, native

__all__ = [
    "MARK",
    "configure_redaction",
    "is_sensitive",
    "plain",
    "redact_and_cut",
    "redact_and_truncate",
    "redact_text",
]

_BEYOND = 256
"""Characters looked at beyond a cut, so that a secret on it is still seen whole."""
_WINDOW = 2_048
"""Characters that an expression of the user's is given at once, for its time grows with the square
of them; windows overlap by half, so that what is no longer than half of one is seen whole."""
_LONGEST_KEY = 112
_SIGNS = (
    "eyj", "bearer", "basic", "('", '("', "--", "->", "<", "ghp_", "gho_", "ghu_", "ghs_", "ghr_",
    "github_pat_", "sk-", "xox", "akia", "xprv", "/bot", "/services/", "/api/webhooks/", "/ws/",
    "streams=", "&sig", "?sig",
)  # fmt: skip
"""In lower case: what each form but `key=value` begins with."""
_KEY, _OTHER = 1, 2
_MOST_SAID = 2_000
_MOST_PLAIN = 4_096
_LONGEST_PLAIN = 96

plain: set[str] = set()
"""Short texts found to hold no secret: symbols, sides and messages repeat."""


class _Settings:
    """The settings in force."""

    enabled = True
    patterns: tuple[re.Pattern[str], ...] = ()


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
    | (?<![a-z0-9_])(?P<look>
        (?:gh[pousr]_|github_pat_)[a-z0-9_]{20,255}+ | sk-[\w-]{20,255}+
        | xox[a-z]-[a-z0-9-]{10,255}+ | xprv[a-z0-9]{20,255}+ | (?-i:AKIA[A-Z0-9]{16})(?![A-Z0-9]))
    | (?P<path>/bot(?=\d{6,12}+:)|hooks\.slack\.com/services/|/api/webhooks/
        |(?:/ws/|streams=)(?=[a-z0-9]{60}))[\w:/-]{8,512}+
    | (?P<signed>[?&]sign?=)[\w%.+/=-]{16,512}+
    | <(?P<element>[\w.:-]{2,100}+)(?:\s[^<>]{0,200}+)?>(?=[^<])
    | (?<![\w-])--(?P<flag>[a-z][\w-]{1,99}+)\s{1,4}+
        (?!-|(?:is|was|are|or|and|must|to|not|for|given|missing|required|with)\b)(?=\S)
    | (?P<mark>;|\^A|\\x01|\\u0001)(?P<tag>\d{2,4}+)=
    | \((?P<quote>["'])(?P<first>[\w.-]{2,100}+)(?P=quote),\s?+(?=[bru]?["'])
    | (?:(?<![\w.%-])|(?<=%[0-9A-F]{2}))(?P<key>
        (?:(?:api|secret|private|priv|access|listen|signing|encryption|hmac|app|consumer|wallet
            |recovery|backup|mfa|seed)\s{1,2}+(?=(?:keys?|phrase|codes?)(?![\w.-])))?+
        [\w.-]{2,100}+)
        (?P<equals>(?:%22)?+(?:%3A|%3D)(?:%20)?+(?:%22)?+
        |\\?+["']?+\s{0,8}+(?:=>|->|(?<=-)>|[=:](?!//))\s{0,8}+)
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
_MARKED_VALUES = {
    mark: re.compile(rf"(?:(?!{re.escape(mark)})[^\x01])*+", re.IGNORECASE)
    for mark in (";", "^a", "\\x01", "\\u0001")
}
"""Of FIX fields, by what has been written for the separator."""
_ELEMENT_VALUE = re.compile(r"[^<]*+")
_ENCODED_VALUE = re.compile(r"(?:(?!%22|%26)[^\s&])++", re.IGNORECASE)
_HARMLESS_VALUES = {
    "seed": re.compile(r"\d{1,10}"),
    "pin": re.compile(r"\d{1,3}"),
    "token": re.compile(r"[A-Z]{2,6}"),
}
"""By key: the seed of a generator, a number of things, a coin."""


def configure_redaction(
    *,
    enabled: bool = True,
    names: Iterable[str] = (),
    patterns: Sequence[re.Pattern[str]] = (),
    keep: Iterable[str] = (),
) -> None:
    """Put the settings `redact.*` in force, for all that is captured from now on.

    `patterns`: what they match in a text is hidden; `config.redaction.read_pattern` has found them
    to be harmless.
    """
    _Settings.enabled = enabled
    _Settings.patterns = tuple(patterns)
    configure_names(names, keep, enabled=enabled)
    plain.clear()
    _tell_native()


def _tell_native() -> None:
    """How texts may be found harmless in C: a kept name may end with one that is hidden."""
    if native.module is not None:
        known = {} if keeps_any() else text_verdicts
        native.module.use_verdicts(None if _Settings.patterns else known)


def redact_and_cut(text: str, length: int, hides: Hides = in_text) -> str:
    """At most `length` characters of the redacted text, and a mark where it was cut."""
    if len(text) <= length:
        return redact_text(text, hides)
    return redact_text(text[: length + _BEYOND], hides)[:length] + "…"


def redact_and_truncate(text: str, length: int | None) -> str:
    """As `redact_and_cut`, without a mark, as OpenTelemetry cuts; None: not cut."""
    if length is None or len(text) <= length:
        return redact_text(text)
    return redact_text(text[: length + _BEYOND])[:length]


def redact_text(text: str, hides: Hides = in_text) -> str:
    """The text with what looks like a secret replaced; everything else as it was.

    `hides`: of which keys in the text the values are hidden.
    """
    short = len(text) <= _LONGEST_PLAIN and hides is in_text
    if (short and text in plain) or not _Settings.enabled:
        return text
    shown = replace_known(text, hides) if _may_hold_secret(text, hides) else text
    if _Settings.patterns:
        shown = _replace_matches(shown, _Settings.patterns)
    if short and shown is text:
        if len(plain) >= _MOST_PLAIN:
            plain.clear()
        plain.add(text)
    return shown


def redact_bytes(value: bytes, length: int | None = None, hides: Hides = in_text) -> bytes:
    """As `redact_text`, of bytes that may be a text; `length`: at most so many of them."""
    kept = value if length is None else value[: length + _BEYOND]
    text = kept.decode("utf-8", "surrogateescape")
    shown = redact_text(text, hides)
    kept = kept if shown is text else shown.encode("utf-8", "surrogateescape")
    return kept if length is None else kept[:length]


def redact_once(text: str, length: int) -> str:
    """As `redact_and_cut`, for a text that hardly comes again: nothing of it is remembered."""
    if len(text) <= length and not _Settings.patterns and not _may_hold_secret(text, in_text):
        return text
    return redact_and_cut(text, length)


def redact_message(text: str) -> str:
    """An error's message, for a line of a log."""
    return redact_and_cut(text, _MOST_SAID)


def _may_hold_secret(text: str, hides: Hides) -> bool:
    """False only if `replace_known` would find nothing: a twentieth of its time, mostly."""
    # A kept name may end with one that is hidden.
    searched = keeps_any()
    found = _scan(text, text_verdicts if hides is in_text and not searched else None)
    return bool(found & _OTHER or (found & _KEY and (searched or _has_key(text, hides))))


def _scan_in_python(text: str, known: dict[str, bool] | None, /) -> int:
    """What a text may need looking at for: `_OTHER` for anything, `_KEY` for its keys' names.

    `known`: verdicts by name, which spare C the names that are harmless.
    """
    lower = text.lower()
    # A few letters have an ASCII letter as their other case.
    if not text.isascii() or any(sign in lower for sign in _SIGNS):
        return _OTHER
    if "%" in text or "|" in text or "\x01" in text or ("@" in text and "://" in text):
        return _OTHER
    return _KEY if "=" in text or ":" in text else 0


_scan: Callable[[str, dict[str, bool] | None], int] = (
    _scan_in_python if native.module is None else native.module.scan
)


def _has_key(text: str, hides: Hides) -> bool:
    """Whether a word before `=` or `:`, with what hangs on to it, says secret."""
    *parts, _ = text.replace("=", ":").split(":")
    for part in parts:
        words = part[-_LONGEST_KEY:].rsplit(None, 2)[-2:]
        if not words:
            continue
        last = words[-1]
        if hides(last) or (len(words) == 2 and last[:1].isalpha() and hides(" ".join(words))):
            return True
        if last[-1].isdigit() and any(mark in last for mark in ";^\\"):  # a FIX field
            return True
    return False


def replace_known(text: str, hides: Hides) -> str:
    """The text with every form of secret that is known replaced; it is searched from end to end."""
    match = _IN_TEXT.search(text)
    if match is None:
        return text
    pieces = []
    kept_to = 0
    while match is not None:
        end = match.end()
        secret = _secret_at(text, match, hides)
        if secret is not None:
            start, end = secret
            pieces += [text[kept_to:start], MARK]
            kept_to = end
        match = _IN_TEXT.search(text, end)
    return "".join(pieces) + text[kept_to:] if pieces else text


def _replace_matches(text: str, patterns: Iterable[re.Pattern[str]]) -> str:
    for pattern in patterns:
        spans = sorted(
            match.span()
            for start in range(0, max(len(text) - _WINDOW // 2, 1), _WINDOW // 2)
            for match in pattern.finditer(text, start, start + _WINDOW)
            if match.end() > match.start() and match.group() != MARK
        )
        pieces = []
        kept_to = 0
        for start, end in spans:
            if start >= kept_to:
                pieces += [text[kept_to:start], MARK]
            kept_to = max(kept_to, end)
        text = "".join(pieces) + text[kept_to:] if pieces else text
    return text


def _secret_at(text: str, match: re.Match[str], hides: Hides) -> tuple[int, int] | None:
    """Where the secret stands that a match has led to; None if it is none after all."""
    kind = match.lastgroup
    if kind in ("jwt", "pem", "look", "scheme", "basic", "user", "lone", "path", "signed"):
        whole = kind in ("jwt", "pem", "look")
        return match.start() if whole else match.end(kind), match.end()
    if kind in ("tag", "element", "flag"):
        return _secret_of_form(text, match, hides)
    key = match["key"] or match["first"]
    if not hides(key):
        return None
    value = _value_after(key, text, match)
    if value is None or value.end() == value.start() or _is_harmless(key, value.group(), hides):
        return None
    return value.span()


def _is_harmless(key: str, value: str, hides: Hides) -> bool:
    form = _HARMLESS_VALUES.get(key.lower())
    found = form is not None and hides is in_text and form.fullmatch(value) is not None
    return found and not is_users(key)


def _secret_of_form(text: str, match: re.Match[str], hides: Hides) -> tuple[int, int] | None:
    """Where the value of a FIX field, an XML element or a flag stands, if it is a secret."""
    if match["tag"]:
        name, form = match["tag"], _MARKED_VALUES[match["mark"].lower()]
        hidden = name in SENSITIVE_FIX_TAGS and hides(name)
    elif match["element"]:
        form, hidden = _ELEMENT_VALUE, hides(match["element"].rpartition(":")[2])
    else:
        form, hidden = _VALUE, hides(match["flag"])
    found = form.match(text, match.end()) if hidden else None
    return None if found is None or found.end() == found.start() else found.span()


def _value_after(key: str, text: str, match: re.Match[str]) -> re.Match[str] | None:
    start = match.end()
    if key in SENSITIVE_FIX_TAGS:
        # `line 96: error` is no password: a tag stands between separators.
        in_message = text[max(match.start() - 1, 0) : match.start()] in ("\x01", "|")
        return _FIX_VALUE.match(text, start) if in_message and match["equals"] == "=" else None
    if (match["equals"] or "").startswith("%"):
        return _ENCODED_VALUE.match(text, start)
    if key.lower().endswith((" phrase", " codes")):
        return _REST_OF_LINE.match(text, start)
    last = key.lower().rpartition("-")[2]
    if last in ("authorization", "cookie") and text[start : start + 1] not in ("'", '"', "\\"):
        return _REST_OF_LINE.match(text, start)
    return _VALUE.match(text, start)


guard.redact_with(redact_message)


_tell_native()
