"""The proxy that the environment names for an address."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass


class Proxy(NamedTuple):
    """Where to connect instead, and what to say there."""

    host: str
    port: int
    headers: Mapping[str, str]
    """Its user and password, if it has any."""


def find_proxy(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy for an address; None to connect to it directly. Loopback never has one.

    Source: `urllib.request.getproxies`: http_proxy, https_proxy, all_proxy, no_proxy, in lower case
    or upper; on macOS and Windows the system's settings, where the environment has none.

    Raises:
        OSError: The proxy named is none that we can use.
    """
    if is_loopback(host) or proxy_bypass(f"{host}:{port}"):
        return None
    proxies = getproxies()
    address = proxies.get(scheme) or proxies.get("all")
    if not address:
        return None
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        name, number = parts.hostname, parts.port or 80
    except ValueError:  # its message would show a password
        name, number, parts = None, 0, urlsplit("http:")
    if parts.scheme != "http" or not name:
        raise OSError(f"the proxy that {scheme}_proxy names is not of the form http://host:port")
    return Proxy(name, number, basic_auth("proxy-authorization", parts.username, parts.password))


def is_loopback(host: str) -> bool:
    """Whether an address stays on this machine."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def basic_auth(header: str, user: str | None, password: str | None) -> dict[str, str]:
    """The header for the user and password of an address, percent-encoded as they stand there."""
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {header: f"Basic {base64.b64encode(pair).decode()}"}
