"""The settings of one process, decided: what every other room is given.

Nothing here reads a file or a variable; `resolve` does, and fills these in.

Named tuples, not dataclasses: as immutable and as typed, and without the 9 ms and 1.3 MB that
`dataclasses` costs a supervisor of 15 MB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from tradespan.config.entries import Layers, Value
from tradespan.config.handover import write_handover
from tradespan.config.kinds import mask_url
from tradespan.config.rules import InstrumentRule, MapRule
from tradespan.config.settings import BY_KEY, RULE_TABLES, SETTINGS


class SpoolConfig(NamedTuple):
    """Files of one run."""

    directory: Path | None
    """This run's folder; None: a new one below the root."""
    bytes: int
    """Most bytes of all runs' files below the root."""
    age: float | None
    """Seconds that a record waits for its destinations; None: without end."""
    free: int
    """Bytes of free disk below which records are discarded; 0: no floor."""
    segment_first: int
    """Bytes of a process's first segment; each next one is twice as large."""
    segment_last: int
    """Bytes at which segments stop to grow; not under `segment_first`."""
    fsync: Literal["closed", "interval", "off"]
    """What the agent forces onto the disk."""
    memory_records: int
    queue_warning_threshold: int


class UiConfig(NamedTuple):
    """The embedded UI."""

    mode: Literal["on", "off", "hint"]
    port: int


class CaptureConfig(NamedTuple):
    """What is recorded of a call."""

    args: bool
    result: bool
    max_repr: int
    """Characters of one recorded value, 1 or more."""


class LogsConfig(NamedTuple):
    """What the program logs: what of it is recorded, and the file that the agent writes."""

    capture: bool
    level: Literal["debug", "info", "warning", "error", "critical"]
    exclude: tuple[re.Pattern[str], ...]
    categories: Mapping[str, str | bool | int | float]
    """Logger's name, or a dotted prefix of it → category."""
    console: Literal["off", "auto", "on", "plain"]
    file: Path | None
    file_bytes: int
    keep_bytes: int
    """Of rotated files; 0: `backups` counts."""
    backups: int
    keep_age: float | None
    """Seconds; None: without end."""
    exporter: Literal["otlp", "none"]


class FiguresConfig(NamedTuple):
    """How profit, performance and risk are computed of what is mapped."""

    currency: str | None
    cost: Literal["fifo", "average"]
    cash: float | None
    window: int
    """Trades."""
    periods_per_year: float | None
    calendar: str | None
    time_zone: str
    day_starts: str
    """`HH:MM`."""
    risk_free: float
    risk_window: int
    """Returns."""
    risk_period: float
    """Seconds; a day: a session; 0: each valuation."""


class RedactConfig(NamedTuple):
    """What is hidden of what is recorded."""

    enabled: bool
    names: tuple[str, ...]
    keep: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]


class LimitsConfig(NamedTuple):
    """OpenTelemetry's limits; a length of None is no limit."""

    attribute_count: int
    attribute_value_length: int | None
    span_attribute_count: int
    span_attribute_value_length: int | None
    span_event_count: int
    span_link_count: int
    event_attribute_count: int
    link_attribute_count: int


class AgentConfig(NamedTuple):
    """The agent's rhythm; intervals in seconds."""

    poll_interval: float
    takeover_interval: float
    retry_scale: float
    """Factor on all waits between attempts to deliver."""
    earlier_rate: int
    """Records a second of what earlier runs left; 0: as fast as it goes."""


class SamplingConfig(NamedTuple):
    """Which traces the agent leaves out; times in seconds."""

    share: float
    slow: float
    wait: float


class OrdersConfig(NamedTuple):
    """Open orders."""

    acknowledge_within: float
    """Seconds after which an order without an answer is told; 0: never."""
    adopt: bool
    """Whether what dead processes of the service left is taken over."""
    adopt_within: float
    """Seconds that it is kept for that."""


class OtlpHttp(NamedTuple):
    """One signal's OTLP receiver, by HTTP."""

    url: str
    """The complete address, its path included. It may hold a password: show `shown`."""
    encoding: Literal["protobuf", "json"]
    headers: Mapping[str, str]
    """Lower-case names; values may be secret."""
    timeout: float | None
    """Seconds of one request; None: no limit."""
    compression: Literal["none", "gzip"]
    certificate: Path | None
    client_certificate: Path | None
    client_key: Path | None
    origin: str
    """Who gave the address."""

    def __repr__(self) -> str:
        return f"OtlpHttp({self.shown!r}, from {self.origin!r})"

    @property
    def shown(self) -> str:
        """The address without secrets."""
        return mask_url(self.url)


class OtlpGrpc(NamedTuple):
    """One signal's OTLP receiver, by gRPC."""

    target: str
    """`host:port`, or another form that gRPC accepts."""
    secure: bool
    headers: Mapping[str, str]
    timeout: float | None
    compression: Literal["none", "gzip"]
    certificate: Path | None
    client_certificate: Path | None
    client_key: Path | None
    origin: str

    def __repr__(self) -> str:
        return f"OtlpGrpc({self.shown!r}, from {self.origin!r})"

    @property
    def shown(self) -> str:
        """The address without secrets."""
        return mask_url(self.target)

    @property
    def address(self) -> str:
        """The address without secrets, with a scheme that tells whether it is secure, where it is
        host and port.
        """
        if "/" in self.target or (self.target.count(":") > 1 and "[" not in self.target):
            return self.shown
        return f"{'https' if self.secure else 'http'}://{self.shown}"


OtlpDestination = OtlpHttp | OtlpGrpc


class Explanation(NamedTuple):
    """One line of `tradespan doctor`."""

    key: str
    value: str
    """Secrets masked."""
    origin: str
    doc: str


class Config(NamedTuple):
    """All settings of one process; `settings.SETTINGS` says what each means."""

    service_name: str
    environment: str | None
    deployment_environment_name: str | None
    trade_execution: bool | None
    """As the profile says; reported only."""
    mode: Literal["live", "paper", "backtest"]
    resource: Mapping[str, str | bool | int | float]
    """All resource attributes, `service.name` and `trading.mode` among them."""
    disabled: bool
    follow: bool
    forwarder: Literal["thread", "external"]
    drain: float
    """Seconds."""
    log_level: Literal["debug", "info", "warning", "error", "critical"]
    metrics_enabled: bool
    metrics_interval: float
    """Seconds."""
    metrics_port: int | None
    """Of `/metrics`; None: it is not served."""
    clock_anchor_interval: float
    """Seconds."""
    audit_age: float
    """Seconds; 0: for ever."""
    root: Path
    spool: SpoolConfig
    store_path: Path | None
    """None: no store."""
    ui: UiConfig
    include: tuple[re.Pattern[str], ...]
    """Patterns of functions to watch; those of `instrument` count as well."""
    exclude: tuple[re.Pattern[str], ...]
    conventions: tuple[Path, ...]
    """Files that declare a user's own attributes, instruments and events; empty: by their place."""
    max_overhead: float
    """Share of one core that functions watched by pattern may cost; 0: no limit."""
    libraries: tuple[str, ...]
    """Those whose instrumentors are switched on when the program imports them."""
    sets: tuple[str, ...]
    """Sets of instruments that are there from the start."""
    instrument: tuple[InstrumentRule, ...]
    map: tuple[MapRule, ...]
    capture: CaptureConfig
    logs: LogsConfig
    figures: FiguresConfig
    redact: RedactConfig
    limits: LimitsConfig
    agent: AgentConfig
    sampling: SamplingConfig
    orders: OrdersConfig
    traces_sampler: str
    traces_sampler_argument: str | None
    traces_strict_sampler: bool
    """Whether what a sampler drops is gone, also if it fails."""
    traces_id_generator: str
    traces_exporter: Literal["otlp", "none"]
    metrics_exporter: Literal["otlp", "none"]
    otlp: Mapping[str, tuple[OtlpDestination, ...]]
    """By signal (`traces`, `logs`, `metrics`): the OTLP receivers that get it."""
    warnings: tuple[str, ...]
    """What was ignored, and why: one sentence each, for the caller to say once."""
    values: Mapping[str, Value]
    """By dotted key, with origins."""
    layers: Layers
    """What the sources said: secrets included."""

    def __repr__(self) -> str:
        given = [key for key, value in self.values.items() if value.layer]
        return f"Config({', '.join(f'{key}={self._show(key)}' for key in given)})"

    @property
    def file(self) -> Path | None:
        """The settings file that was read."""
        return self.layers.file

    @property
    def otlp_traces(self) -> OtlpDestination | None:
        """The first receiver of spans; None: they go to none."""
        return next(iter(self.otlp["traces"]), None)

    def origin(self, key: str) -> str:
        """Who gave a setting its value: `environment TRADESPAN_PORT`, `default`.

        Raises:
            KeyError: No setting has this dotted key.
        """
        return self.values[key].origin

    def explain(self) -> list[Explanation]:
        """A row for each setting, in the order of their declaration, and for each rule."""
        rows = [
            Explanation(row.key, self._show(row.key), self.origin(row.key), row.doc)
            for row in SETTINGS
        ]
        rows += [
            Explanation("instrument", rule.pattern.pattern, rule.origin, RULE_TABLES["instrument"])
            for rule in self.instrument
        ]
        return rows + [
            Explanation(
                "map", f"{rule.function.pattern} is {rule.signal}", rule.origin, RULE_TABLES["map"]
            )
            for rule in self.map
        ]

    def differences(self, other: Config) -> tuple[tuple[str, str, str], ...]:
        """What differs: (key, our value and origin, the other's), for `AlreadyConfigured`."""
        keys = [key for key in BY_KEY if self.values[key].value != other.values[key].value]
        told = [(key, self._tell(key), other._tell(key)) for key in keys]
        for name in ("instrument", "map"):
            ours, theirs = len(getattr(self, name)), len(getattr(other, name))
            if getattr(self, name) != getattr(other, name):
                told.append((name, f"{ours} tables", f"{theirs} tables of another content"))
        return tuple(told)

    def to_environment(self) -> dict[str, str]:
        """Variables that make a child process decide as this one did.

        A child's own arguments count more, and so do variables of its environment where they did
        here. Values of variables and secrets are not in it: a child finds variables in its own
        environment, and reads secrets from the settings file again.
        """
        return write_handover(self.layers, self.values)

    def _show(self, key: str) -> str:
        return BY_KEY[key].kind.format(self.values[key].value)

    def _tell(self, key: str) -> str:
        return f"{self._show(key)} ({self.origin(key)})"
