"""Starts an agent beside this process, for a bot that cannot forward by itself, or ends.

It is nobody's child: it has a session of its own, goes on when we end, and ends by itself when no
run of its root is left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tradespan.bootstrap.environment import agent_environment
from tradespan.config import Config
from tradespan.config.entries import Layer
from tradespan.spool.folder import RootLock

_LOG = "agent.log"
_STARTING = 10.0
"""Seconds that the process between us and the agent has; it lives for a few tenths of one."""


def start_agent(config: Config, lock: RootLock, *, wait: bool = True) -> None:
    """Start an agent that goes on with our lock of the root: at no moment is it free.

    Several processes that want an agent at once start one. `wait`: until it is on its own; without,
    its first process may stay a zombie of ours until we end.

    Raises:
        OSError: It cannot be started; the lock is free then.
    """
    descriptor = lock.hand_over()
    try:
        root = config.root.absolute()
        # -P: a `signal.py` in the user's folder is not ours to import.
        command = [sys.executable, "-P", "-m", "tradespan", "agent", "--attached", "--orphan"]
        command += ["--lock", str(descriptor), str(root)]
        with open(root / _LOG, "ab", opener=_open_private) as log:
            process = subprocess.Popen(
                command,
                env=_environment(config),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
    finally:
        os.close(descriptor)
    if wait:
        process.wait(_STARTING)
    else:
        process.returncode = 0  # not ours to wait for; without, it complains


def _environment(config: Config) -> dict[str, str]:
    """The agent's variables; also the receivers' addresses that code gave, passwords and all."""
    given = config.values["otlp.endpoint"]
    endpoint = given.value if given.layer is Layer.ARGUMENT else None
    return agent_environment(config, dict(os.environ), endpoint)


def _open_private(path: str, flags: int) -> int:
    return os.open(Path(path), flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
