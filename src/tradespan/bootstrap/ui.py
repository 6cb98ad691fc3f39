"""The UI, beside an agent or alone. The only place that imports the web room, an optional extra."""

from __future__ import annotations

import hashlib
import importlib
import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradespan.bootstrap.folders import find_source_roots
from tradespan.bootstrap.rootstatus import RootStatus, describe_bots, latest_death
from tradespan.config import Config
from tradespan.core.guard import guarded
from tradespan.forward.agent import Agent
from tradespan.forward.backlog import Backlog
from tradespan.store.store import Store

if TYPE_CHECKING:
    from tradespan.web.server import Server
    from tradespan.web.status import Status

TOKEN = "ui-token"  # noqa: S105 - a file's name
LOOK_AROUND = 0.5
"""Seconds between two looks whether a run wants the UI."""
MISSING = "the UI needs an extra: pip install 'tradespan[ui]'"


class UiUnavailable(Exception):
    """The UI cannot be served here; says why."""


def read_token(root: Path, make: Any) -> str:
    """The root's token: the same over restarts, so that a printed link stays good."""
    path = root / TOKEN
    try:
        return path.read_text().strip()
    except OSError:
        token = str(make())
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    return token


def build_server(
    root: Path, store: Path, port: int, agent: Agent | None = None
) -> tuple[Server, str]:
    """A server that is not started yet, and the link to print.

    Raises:
        UiUnavailable: The extra is not installed, or no port is free.
    """
    try:
        server = importlib.import_module("tradespan.web.server")
    except ImportError as error:
        raise UiUnavailable(f"{MISSING} ({error})") from error
    try:
        listener = server.pick_port(port)
    except OSError as error:
        raise UiUnavailable(str(error)) from error
    token = read_token(root, server.make_token)
    instance = hashlib.sha256(str(root.absolute()).encode()).hexdigest()[:8]
    app = server.build_app(
        lambda: Store.open(store, readonly=True),
        token=token,
        instance=instance,
        find_roots=partial(find_source_roots, root),
        status=RootStatus(root) if agent is None else AgentStatus(agent),
    )
    return server.Server(app, listener), server.link_to(listener, token)


class UiOnDemand:
    """Serves the UI as soon as the agent's own settings or a live run ask for it.

    In a thread: loading it takes a second, which forwarding does not wait for. A second run under
    the same root that wants the UI gets it from the agent that is there.
    """

    def __init__(self, config: Config, agent: Agent) -> None:
        self._config = config
        self._agent = agent
        self._server: Server | None = None
        self._thread = threading.Thread(target=self._run, name="tradespan-ui", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the server; the agent's `stop` is set by then."""
        self._thread.join(timeout=1.0)
        if self._server is not None:
            self._server.stop(timeout=1.0)

    def _run(self) -> None:
        while not self._agent.stop.is_set():
            with guarded("UI"):
                if (port := self._wanted_port()) is not None:
                    self._server = start_ui(self._config, self._agent, port)
                    return
            self._agent.stop.wait(LOOK_AROUND)

    def _wanted_port(self) -> int | None:
        if self._config.ui.mode == "on":
            return self._config.ui.port
        for folder in self._agent.open_folders():
            port = folder.description.get("ui_port")
            if isinstance(port, int) and self._agent.is_live(folder):
                return port
        return None


def start_ui(config: Config, agent: Agent, port: int) -> Server | None:
    """Serve the UI in a thread; the link, or what went wrong, stands in `agent.json`."""
    if config.store_path is None:
        agent.status["ui_error"] = "there is no store (--no-store)"
        return None
    try:
        server, link = build_server(config.root, config.store_path, port, agent)
    except UiUnavailable as error:
        agent.status["ui_error"] = str(error)
        return None
    server.start(on_ready=lambda: agent.status.update(ui=link))
    return server


class AgentStatus:
    """What the agent knows for the status bar; adding up is done at most once a second."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        status = importlib.import_module("tradespan.web.status")
        self._status_type = status.Status
        self._backlog_type = status.Backlog
        self._read_at = 0.0
        self._last: Status = self._status_type()

    def __call__(self) -> Status:
        """The status now."""
        if time.monotonic() - self._read_at > 1.0:
            self._read_at = time.monotonic()
            with guarded("status"):
                self._last = self._read()
        return self._last

    def _read(self) -> Status:
        agent = self._agent
        folders = [folder for folder in agent.open_folders() if agent.is_live(folder)]
        waiting = 0
        for folder in folders:
            sink = agent.books(folder).sinks.get("store")
            waiting += sink.on_disk if sink is not None else 0
        status: Status = self._status_type(
            **describe_bots(folders),
            **latest_death(agent.root, alive=bool(folders)),
            waiting=waiting,
            backlogs=tuple(map(self._to_shown, agent.backlogs.standing)),
            undelivered=agent.backlogs.undelivered,
            warnings=agent.backlogs.warnings,
            metrics=tuple(reading.to_json() for reading in agent.meter.readings),
        )
        return status

    def _to_shown(self, backlog: Backlog) -> Any:
        return self._backlog_type(
            backlog.run,
            backlog.sink,
            backlog.waiting,
            backlog.threshold,
            backlog.cause,
            backlog.sentence,
        )
