"""Tells a service manager (systemd, `Type=notify`) that we are ready, or about to end."""

from __future__ import annotations

import os
import socket

from tradespan.core.guard import guarded


class ServiceManager:
    """Whoever started us, if he wants to know. Source: sd_notify(3)."""

    def __init__(self, address: str | None) -> None:
        """`address`: of NOTIFY_SOCKET; None or empty: nobody wants to know."""
        self._address = address or ""

    def tell(self, state: str) -> None:
        """Send assignments such as `READY=1`, one a line; whoever does not listen misses it."""
        if not self._address:
            return
        # A leading @ names the abstract namespace.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with guarded("service manager"), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)


def take_manager(environment: os._Environ[str]) -> ServiceManager:
    """The manager of this process; what it starts has none."""
    return ServiceManager(environment.pop("NOTIFY_SOCKET", None))
