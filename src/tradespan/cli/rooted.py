"""The settings of a command that reads what lies in a root."""

from __future__ import annotations

import argparse
from pathlib import Path

from tradespan.bootstrap.folders import check_root
from tradespan.config import Config, load_config
from tradespan.spool.folder import run_folders


def explain_run(root: Path, name: str) -> str:
    """Why no run was found by the end of its folder's name."""
    names = ", ".join(each.path.name for each in run_folders(root)) or "none"
    return f"no run below {root} ends with {name}; there are: {names}"


def read_rooted(namespace: argparse.Namespace, **further: object) -> Config:
    """The settings, from `--root`, the environment and the settings file.

    Args:
        namespace: Has `root` and `config`.
        further: More that was given on the command line.

    Raises:
        ConfigurationError: A setting cannot be used.
        SpoolUnavailable: The root can be none, such as a file.
    """
    given = {} if namespace.root is None else {"root": namespace.root}
    config = load_config(given | further, config_file=namespace.config, command_line=True)
    check_root(config)
    return config
