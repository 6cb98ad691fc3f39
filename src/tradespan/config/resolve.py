"""From what the sources said to one decided `Config`: code > environment > file > default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradespan.config.decision import decide_values
from tradespan.config.entries import Entry, Layer, Layers, group_entries
from tradespan.config.files import find_settings_file, read_settings_file
from tradespan.config.handover import read_handover
from tradespan.config.kinds import Place, resolve_path
from tradespan.config.model import (
    AgentConfig,
    CaptureConfig,
    Config,
    FiguresConfig,
    LimitsConfig,
    LogsConfig,
    OrdersConfig,
    RedactConfig,
    SamplingConfig,
    SpoolConfig,
    UiConfig,
)
from tradespan.config.otlp import build_destinations
from tradespan.config.rules import read_instrument_rule, read_map_rule, read_rules
from tradespan.config.settings import EFFECTIVE_VARIABLE, SIGNALS
from tradespan.config.sources import read_arguments, read_environment, read_file

GROUPS: Mapping[str, Any] = {
    "spool": SpoolConfig,
    "ui": UiConfig,
    "capture": CaptureConfig,
    "logs": LogsConfig,
    "figures": FiguresConfig,
    "redact": RedactConfig,
    "limits": LimitsConfig,
    "agent": AgentConfig,
    "sampling": SamplingConfig,
    "orders": OrdersConfig,
}


def load_config(
    arguments: Mapping[str, object] | None = None,
    *,
    config_file: str | Path | None = None,
    service_default: str | None = None,
    command_line: bool = False,
    inherit: bool = True,
) -> Config:
    """`resolve_config` for this process: its environment variables and its working directory."""
    try:
        directory = Path.cwd()
    except OSError:  # it was deleted, or may not be entered
        directory = Path("/")
    return resolve_config(
        arguments,
        environ=os.environ,
        directory=directory,
        config_file=config_file,
        service_default=service_default,
        command_line=command_line,
        inherit=inherit,
    )


def resolve_config(
    arguments: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str],
    directory: Path,
    config_file: str | Path | None = None,
    service_default: str | None = None,
    command_line: bool = False,
    inherit: bool = True,
) -> Config:
    """Decide all settings.

    Args:
        arguments: Settings given in code, by argument name (`port`) or key (`ui.port`); None as a
            value is "not given", but for `store`, where it is "no store".
        environ: Environment variables.
        directory: Absolute path of the working directory: the search for a file starts here.
        config_file: The settings file to read in place of a search; `none`: no file.
        service_default: Name of the service if nobody gives one: the script's stem.
        command_line: The arguments are options of a command: origins say `option --port`.
        inherit: Go on from what a supervisor handed over, in place of reading a file.

    Raises:
        ConfigurationError: Something unknown or not accepted; the message names it, its origin
            and what would be accepted.
    """
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    place = Place(directory, home)
    state = Path(environ.get("XDG_STATE_HOME") or "")
    # Source: XDG Base Directory Specification: a relative path is to be ignored.
    layers = Layers({}, place, state if state.is_absolute() else home / ".local" / "state")
    origin = "option --{option}" if command_line else "argument {name}"
    if inherit and environ.get(EFFECTIVE_VARIABLE):
        layers = _inherit(layers, environ[EFFECTIVE_VARIABLE])
    else:
        named = (
            (config_file, origin.format(name="config", option="config")) if config_file else None
        )
        layers = _read_settings_file(layers, environ, named)
    if service_default:
        default = Entry("service.name", service_default, Layer.DEFAULT, "default", directory)
        # After what was handed over: the parent knows the program's name, a child of it guesses.
        layers = layers._replace(entries=group_entries([*layers.listed(), default]))
    said = read_arguments(arguments or {}, directory, origin)
    return decide(layers.add([*said, *read_environment(environ, directory)]))


def override_config(config: Config, arguments: Mapping[str, object], origin: str) -> Config:
    """A config with some settings replaced, all others as they were decided from.

    Args:
        config: The config to start from; it stays as it is.
        arguments: As for `resolve_config`.
        origin: Who says so, for `explain`: `run`.

    Raises:
        ConfigurationError: As for `resolve_config`.
    """
    said = read_arguments(arguments, config.layers.place.base, origin)
    return decide(config.layers.add(said))


def _inherit(layers: Layers, text: str) -> Layers:
    parent = read_handover(text)
    entries = parent.entries
    if parent.file is not None and parent.reread != ():
        again = read_file(read_settings_file(parent.file, "handed over", parent.directory))
        entries += [entry for entry in again if parent.reread is None or entry.key in parent.reread]
    return layers.add(entries)._replace(file=parent.file)


def _read_settings_file(
    layers: Layers, environ: Mapping[str, str], named: tuple[str | Path, str] | None
) -> Layers:
    """The layers with the settings file's entries; `named` is a path and who gave it."""
    if named is None and (variable := environ.get("TRADESPAN_CONFIG", "").strip()):
        named = variable, "environment TRADESPAN_CONFIG"
    path: Path | None
    if named is None:
        path, origin = find_settings_file(*layers.place), "found"
    else:
        path, origin = resolve_path(named[0], layers.place), named[1]
        path = None if str(named[0]) == "none" else path
    if path is None:
        return layers
    file = read_settings_file(path, origin, layers.place.base)
    return layers.add(read_file(file))._replace(file=path)


def decide(layers: Layers) -> Config:
    """The config that follows from all layers.

    Raises:
        ConfigurationError: A value that counts is not accepted.
    """
    decided = decide_values(layers)
    values, warnings = decided.values, decided.warnings
    groups: dict[str, dict[str, Any]] = {name: {} for name in GROUPS}
    singles: dict[str, Any] = {}
    for key, value in values.items():
        group, _, name = key.partition(".")
        if group in GROUPS:
            groups[group][name] = value.value
        elif group != "otlp":
            singles[key.replace(".", "_")] = value.value
    receivers = {signal: build_destinations(signal, values, warnings) for signal in SIGNALS}
    return Config(
        **singles,
        **{name: build(**groups[name]) for name, build in GROUPS.items()},
        instrument=tuple(read_rules("instrument", read_instrument_rule, layers)),
        map=tuple(read_rules("map", read_map_rule, layers)),
        otlp=receivers,
        warnings=tuple(warnings),
        values=values,
        layers=layers,
    )
