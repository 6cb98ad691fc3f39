"""The settings of a command that reads what lies in a root."""

from __future__ import annotations

import argparse

from tradespan.bootstrap.folders import check_root
from tradespan.config import Config, load_config


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
