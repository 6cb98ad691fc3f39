"""What `tradespan run` hands to its two children."""

from __future__ import annotations

import os
from pathlib import Path

from tradespan.config import Config
from tradespan.spool.folder import RunFolder

RUN_FOLDER = "TRADESPAN__RUN"
"""Set by `tradespan run` for the bot and all that descends from it: the run's folder."""
DIRECT = "TRADESPAN__DIRECT"
"""Set for the bot alone, and taken away before its program starts."""
INJECTION = Path(__file__).parent / "injection"
"""Stands first on PYTHONPATH; holds our `sitecustomize`."""


def bot_environment(
    config: Config, folder: RunFolder, environment: dict[str, str]
) -> dict[str, str]:
    """The bot's variables: the caller's, and what arms it and its descendants."""
    paths = [str(INJECTION), *filter(None, [environment.get("PYTHONPATH")])]
    return {
        **environment,
        **config.to_environment(),
        "PYTHONPATH": os.pathsep.join(paths),
        RUN_FOLDER: str(folder.path.absolute()),
        DIRECT: "1",
    }


def agent_environment(
    config: Config, environment: dict[str, str], endpoint: str | None
) -> dict[str, str]:
    """The agent's variables: the caller's, and the settings as they were decided.

    `endpoint`: the option as given; one with a password is not handed over by the settings.
    """
    handed = {**environment, **config.to_environment()}
    if endpoint:
        handed["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    return handed
