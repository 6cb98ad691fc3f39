"""Where a connection goes, as attributes and as labels: bounded, and without what is secret.

A path may hold a key (`/ws/<listen key>`), a query nearly always does when it is signed. Queries
are left out altogether. A part of a path that looks like an id becomes `{id}` in the label
`url.template`, and `***` in the attribute `url.path`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from tradespan.capture.redact import MARK, redact_and_cut

MOST_TEMPLATES = 64
"""Label sets of one instrumentor; whatever comes later shares the template `_OTHER`."""
_OTHER = "_OTHER"
_LONGEST_PATH = 256
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_ID = re.compile(r"\d+|(?=[a-zA-Z-]*\d)[0-9a-fA-F-]{8,}|(?=.*[\d:=])[\w.:=%~+-]{16,}|[\w-]{32,}")
_QUERY = re.compile(r"\?[^\s'\"<>()\[\]{},]*=[^\s'\"<>()]*")


Key = tuple[str, int, str]
"""Host, port and template of a path."""


class Address(NamedTuple):
    """One place that is connected to."""

    scheme: str
    host: str
    port: int
    path: str
    template: str
    key: Key
    """What its labels say, bounded."""

    @property
    def labels(self) -> dict[str, str | int]:
        """Of metrics."""
        return labels_of(self.key)

    @property
    def attributes(self) -> dict[str, str | int]:
        """Of spans."""
        return {
            **labels_of((self.host, self.port, self.template)),
            "url.scheme": self.scheme,
            "url.path": self.path,
        }


class Addresses:
    """Addresses with a bounded number of templates."""

    def __init__(self) -> None:
        self._known: set[Key] = set()

    def read(self, url: str) -> Address:
        """The address of a URL; user, password, query and fragment are left out."""
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), parts.hostname or ""
        port = parts.port or _PORTS.get(scheme, 0)
        template = path_template(parts.path)
        key = (host, port, template)
        if key not in self._known and len(self._known) < MOST_TEMPLATES:
            self._known.add(key)
        bounded = key if key in self._known else (_OTHER, 0, _OTHER)
        return Address(scheme, host, port, shown_path(parts.path), template, bounded)


def labels_of(key: Key) -> dict[str, str | int]:
    """The labels that a key stands for."""
    host, port, template = key
    return {"server.address": host, "server.port": port, "url.template": template}


def path_template(path: str) -> str:
    """A path with `{id}` for each part that looks like one."""
    return _with_ids_as(path, "{id}")


def shown_path(path: str) -> str:
    """A path with `***` for each part that looks like an id, and for what looks like a secret."""
    return redact_and_cut(_with_ids_as(path, MARK), _LONGEST_PATH)


def without_queries(text: str) -> str:
    """A text, the queries of the URLs in it hidden: signatures have as many names as venues."""
    return _QUERY.sub("?" + MARK, text) if "?" in text else text


def _with_ids_as(path: str, mark: str) -> str:
    parts = path[: 4 * _LONGEST_PATH].split("/")
    return "/".join(mark if _ID.fullmatch(part) else part for part in parts) or "/"
