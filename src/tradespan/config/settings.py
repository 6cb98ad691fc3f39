# long: one row for each setting
"""Every setting, declared as data: one row each.

A row's key is its place in the settings file and, but for a group of one, its path in `Config`:
`spool.bytes` is `config.spool.bytes`, `service.name` is `config.service_name`. Reading, checking,
`explain`, the masks and the documentation's table come from the rows.

Of several variables in a row, the first that is set counts. Where `OTEL_*` and `TRADESPAN_*` name
the same fact, OpenTelemetry's comes first: whatever else reads it in the process then agrees.

`fmt: skip` keeps a row's lines together; the formatter would make eight of three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.config.days import TIME_OF_DAY, TIME_ZONE
from tradespan.config.filelists import FILES
from tradespan.config.kinds import (
    ATTRIBUTES,
    BOOLEAN,
    HEADERS,
    PATH,
    PATH_OR_NONE,
    PATTERNS,
    READABLE_FILE,
    TEXT,
    URLS,
    Kind,
    choice,
    duration,
    integer,
    number,
    size,
)
from tradespan.config.libraries import KNOWN, LIBRARIES
from tradespan.config.redaction import HIDDEN_PATTERNS, NAMES
from tradespan.config.sets import SETS

SIGNALS = ("traces", "logs", "metrics")
"""Signals that have OTLP settings of their own."""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Derived(NamedTuple):
    """A default that follows from settings of earlier rows."""

    text: str
    """What the documentation says it is."""
    compute: Callable[[Mapping[str, Any], Path], Any]
    """From the values so far, by key, and the folder for programs' state."""


class Setting(NamedTuple):
    """One setting."""

    key: str
    kind: Kind
    default: Any
    """A value, not a text to parse; or `Derived`."""
    doc: str
    """One sentence."""
    variables: tuple[str, ...] = ()
    argument: str = ""
    """Its name in `configure()`; empty: the key with underscores."""
    attribute: str = ""
    """The resource attribute that states the same fact, read where the setting is not given."""
    unit: str = ""

    @property
    def name(self) -> str:
        """The argument's name."""
        return self.argument or self.key.replace(".", "_")

    @property
    def default_text(self) -> str:
        """The default as the documentation shows it."""
        if isinstance(self.default, Derived):
            return self.default.text
        return self.kind.format(self.default)


_SHARED: tuple[Setting, ...] = (
    Setting("service.name", TEXT, "unknown_service",
            "Name of the service in all telemetry; by default the script's or module's name.",
            ("OTEL_SERVICE_NAME", "TRADESPAN_SERVICE"), "service", "service.name"),
    Setting("environment", choice("development", "staging", "production"), None,
            "Profile to apply: `[environments.NAME]` of the settings file. By default the one that "
            "`deployment.environment.name` in OTEL_RESOURCE_ATTRIBUTES names.",
            ("TRADESPAN_ENVIRONMENT",)),
    Setting("deployment.environment.name", TEXT,
            Derived("the environment", lambda values, _: values["environment"]),
            "What the resource attribute of this name says; a profile may set it.",
            attribute="deployment.environment.name"),
    Setting("trade_execution", BOOLEAN, None,
            "Whether the profile says that orders are real: reported, never switched by us."),
    Setting("mode", choice("live", "paper", "backtest"), "live",
            "Resource attribute `trading.mode`; decides what may alert.",
            ("TRADESPAN_MODE",), attribute="trading.mode"),
    Setting("resource", ATTRIBUTES, {},
            "Resource attributes of all telemetry; the sources are merged, attribute by attribute.",
            ("OTEL_RESOURCE_ATTRIBUTES",)),
    Setting("disabled", BOOLEAN, False,
            "Switches tradespan off: wrapped functions run bare.",
            ("OTEL_SDK_DISABLED", "TRADESPAN_DISABLED")),
    Setting("follow", BOOLEAN, True,
            "Whether Python processes that the program starts are watched too.",
            ("TRADESPAN_FOLLOW",)),
    Setting("forwarder", choice("thread", "external"), "thread",
            "Who delivers after `configure()` without `tradespan run`: a daemon thread of this "
            "process, or a `tradespan agent` beside it.",
            ("TRADESPAN_FORWARDER",)),
    Setting("drain", duration(0), 10.0,
            "How long the end of a run waits at most for receivers that accept.",
            ("TRADESPAN_DRAIN",), unit="s"),
    Setting("log.level", choice("debug", "info", "warning", "error", "critical",
                                aliases={"warn": "warning", "fatal": "critical"}), "info",
            "Lowest severity of tradespan's own messages.",
            ("OTEL_LOG_LEVEL", "TRADESPAN_LOG_LEVEL")),
    Setting("metrics.enabled", BOOLEAN, True,
            "Whether metrics are recorded.", ("TRADESPAN_METRICS",)),
    Setting("metrics.interval", duration(0.001), 5.0,
            "How often callbacks observe, and the agent reads metrics and sends them on.",
            ("OTEL_METRIC_EXPORT_INTERVAL", "TRADESPAN_METRICS_INTERVAL"), unit="s"),
    Setting("metrics.port", integer(1, 65_535), None,
            "Port of `/metrics` on 127.0.0.1, for a scraper such as Prometheus: 8000 by custom. "
            "Without it nothing listens.",
            ("TRADESPAN_METRICS_PORT",)),
    Setting("clock.anchor_interval", duration(0.001), 10.0,
            "How often the wall clock's offset from the monotonic clock is taken anew.",
            ("TRADESPAN_CLOCK_ANCHOR_INTERVAL",), unit="s"),
    Setting("audit.age", duration(0, zero_is_endless=True), 7 * 365 * 86_400.0,
            "How long entries of the audit log are kept; its files are the root's `audit/`, one a "
            "day. 0: for ever.",
            ("TRADESPAN_AUDIT_AGE",), unit="s"),
)  # fmt: skip

_PLACES: tuple[Setting, ...] = (
    Setting("root", PATH, Derived("${XDG_STATE_HOME:-~/.local/state}/tradespan",
                                  lambda _, state: state / "tradespan"),
            "Folder that holds the runs' folders, the store and the agent's lock: one agent, one "
            "store and one UI per root.",
            ("TRADESPAN_ROOT",)),
    Setting("spool.directory", PATH, None,
            "Folder of this run's segments; by default a new one below the root.",
            ("TRADESPAN_SPOOL",), "spool"),
    Setting("spool.bytes", size(64 * KIB), 2 * GIB,
            "Most bytes that the files of all runs below one root may take; an eighth of it is "
            "kept for errors. Beyond it the oldest ordinary records go, counted, and errors last.",
            ("TRADESPAN_SPOOL_BYTES",), unit="B"),
    Setting("spool.age", duration(0, zero_is_endless=True), 604_800.0,
            "How long records wait for a destination that does not take them; then they go, "
            "counted. 0: without end.",
            ("TRADESPAN_SPOOL_AGE",), unit="s"),
    Setting("spool.free", size(0), 256 * MIB,
            "Free disk below which the oldest ordinary records go, counted, and errors once half "
            "of it is gone too; a twentieth of the file system if that is less. 0: no floor.",
            ("TRADESPAN_SPOOL_FREE",), unit="B"),
    Setting("spool.segment_first", size(64 * KIB), 256 * KIB,
            "Size of a process's first segment; each next one is twice as large.",
            ("TRADESPAN_SEGMENT_FIRST",), unit="B"),
    Setting("spool.segment_last", size(64 * KIB), 16 * MIB,
            "Size at which segments stop to grow.",
            ("TRADESPAN_SEGMENT_LAST",), unit="B"),
    Setting("spool.fsync", choice("closed", "interval", "off"), "closed",
            "What the agent forces onto the disk: segments that are finished and not delivered "
            "within a second; those that are written now, too, once a second; or nothing.",
            ("TRADESPAN_FSYNC",)),
    Setting("spool.memory_records", integer(0), 50_000,
            "Most records kept in memory while the disk takes none.",
            ("TRADESPAN_MEMORY_RECORDS",), unit="{record}"),
    Setting("spool.queue_warning_threshold", integer(1), 8_000,
            "Undelivered records from which on one warning is given.",
            ("TRADESPAN_QUEUE_WARNING_THRESHOLD",), "queue_warning_threshold", unit="{record}"),
    Setting("store.path", PATH_OR_NONE,
            Derived("store.db in the root", lambda values, _: values["root"] / "store.db"),
            "SQLite file that keeps what was recorded; none: no store.",
            ("TRADESPAN_STORE",), "store"),
    Setting("ui.mode", choice("on", "off", "hint"), "hint",
            "Whether the agent serves the UI; hint: it does not, and the run's end says how to "
            "look.",
            ("TRADESPAN_UI",), "ui"),
    Setting("ui.port", integer(1, 65_535), 8420,
            "Port of the UI on 127.0.0.1; a busy one is passed over for the next that is free.",
            ("TRADESPAN_PORT",), "port"),
)  # fmt: skip

_CAPTURE: tuple[Setting, ...] = (
    Setting("include", PATTERNS, (),
            "Functions to watch: each expression must match a dotted name, or a prefix of it that "
            "ends before a dot, as a whole; in text one per line or separated by `;` (`\\x3b` for "
            "a literal one).",
            ("TRADESPAN_INSTRUMENT",)),
    Setting("exclude", PATTERNS, (),
            "Functions to leave alone, though included.", ("TRADESPAN_EXCLUDE",)),
    Setting("conventions", FILES, (),
            "Files of your own that declare attributes, instruments and events; by default "
            "`conventions/*.yaml` beside the settings file.",
            ("TRADESPAN_CONVENTIONS",)),
    Setting("max_overhead", number(0, 1), 0.02,
            "Share of one core that watching functions by pattern may cost; above it the hottest "
            "and shortest are only counted, or not observed. 0: no limit.",
            ("TRADESPAN_MAX_OVERHEAD",)),
    Setting("libraries", LIBRARIES, KNOWN,
            "Libraries whose calls and connections are recorded, once the program imports them.",
            ("TRADESPAN_LIBRARIES",)),
    Setting("sets", SETS, (),
            "Sets of instruments that are there from the start; the first use of one, by code or "
            "by a `[[map]]` table, switches it on as well.",
            ("TRADESPAN_SETS",)),
    Setting("capture.args", BOOLEAN, True,
            "Whether arguments are recorded.", ("TRADESPAN_CAPTURE_ARGS",)),
    Setting("capture.result", BOOLEAN, True,
            "Whether results are recorded.", ("TRADESPAN_CAPTURE_RESULT",)),
    Setting("capture.max_repr", integer(1, 1_000_000), 1_000,
            "Longest text of one recorded value; what is longer is cut.",
            ("TRADESPAN_MAX_REPR",), unit="{character}"),
)  # fmt: skip


_SAMPLING: tuple[Setting, ...] = (
    Setting("traces.sampler", TEXT, "parentbased_always_on",
            "Sampler: one of OpenTelemetry's, or the name of an entry point in "
            "`opentelemetry_traces_sampler`. What it drops is written all the same if it fails.",
            ("OTEL_TRACES_SAMPLER",)),
    Setting("traces.sampler_argument", TEXT, None,
            "What the sampler is given: for those by ratio a share from 0 to 1.",
            ("OTEL_TRACES_SAMPLER_ARG",)),
    Setting("traces.strict_sampler", BOOLEAN, False,
            "Whether what a sampler drops is gone, as OpenTelemetry's specification has it, also "
            "if it fails.",
            ("TRADESPAN_STRICT_SAMPLER",)),
    Setting("traces.id_generator", TEXT, "random",
            "Where ids come from: random ones of ours, or the name of an entry point in "
            "`opentelemetry_id_generator`.",
            ("OTEL_PYTHON_ID_GENERATOR",)),
)  # fmt: skip


def _log_file(values: Mapping[str, Any], _: Path) -> Path:
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in values["service.name"])[:60]
    place: Path = values["root"]
    return place / "logs" / f"{plain.lstrip('.') or 'service'}.jsonl"


_LOGS: tuple[Setting, ...] = (
    Setting("logs.capture", BOOLEAN, True,
            "Whether what the program logs, by `logging` or structlog, is recorded.",
            ("TRADESPAN_LOGS",), "logs"),
    Setting("logs.level", choice("debug", "info", "warning", "error", "critical",
                                 aliases={"warn": "warning", "fatal": "critical"}), "info",
            "Lowest severity that is recorded, of what the program's own levels let through.",
            ("TRADESPAN_LOGS_LEVEL",)),
    Setting("logs.exclude", PATTERNS, (),
            "Loggers that are not recorded, by name or a dotted prefix of it.",
            ("TRADESPAN_LOGS_EXCLUDE",)),
    Setting("logs.categories", ATTRIBUTES, {},
            "Categories of loggers and those below them: `bot.venues=adapter,bot.risk=risk`.",
            ("TRADESPAN_LOGS_CATEGORIES",)),
    Setting("logs.console", choice("off", "auto", "on", "plain"), "off",
            "Lines for people on standard error: on: always, in colours at a terminal; plain: "
            "without colours; auto: at a terminal, where the program has no handler of its own.",
            ("TRADESPAN_LOGS_CONSOLE",)),
    Setting("logs.file", PATH_OR_NONE,
            Derived("logs/SERVICE.jsonl in the root", _log_file),
            "JSON-lines file that the agent writes, of log records and events; none: no file.",
            ("TRADESPAN_LOGS_FILE",)),
    Setting("logs.file_bytes", size(64 * KIB), 100_000_000,
            "Size above which the file is rotated; it is at midnight UTC, too.",
            ("TRADESPAN_LOGS_FILE_BYTES",), unit="B"),
    Setting("logs.keep_bytes", size(0), 2 * GIB,
            "Most bytes of rotated files, compressed as they are; 0: no such cap, the newest "
            "`logs.backups` are kept.",
            ("TRADESPAN_LOGS_KEEP_BYTES",), unit="B"),
    Setting("logs.backups", integer(1), 5,
            "Most rotated files, where `logs.keep_bytes` is 0.",
            ("TRADESPAN_LOGS_BACKUPS",), unit="{file}"),
    Setting("logs.keep_age", duration(0, zero_is_endless=True), 2_592_000.0,
            "How long rotated files are kept. 0: without end.",
            ("TRADESPAN_LOGS_KEEP_AGE",), unit="s"),
)  # fmt: skip


_FIGURES: tuple[Setting, ...] = (
    Setting("figures.currency", TEXT, None,
            "Currency of profit, exposure and risk; by default that of the first fill or valuation "
            "that is mapped.", ("TRADESPAN_FIGURES_CURRENCY",)),
    Setting("figures.cost", choice("fifo", "average"), "fifo",
            "Which lots a fill closes: the oldest first, or a share of all at their average price.",
            ("TRADESPAN_FIGURES_COST",)),
    Setting("figures.cash", number(-1e15, 1e15), None,
            "Cash at the start, from which the account is valued where no `portfolio` is mapped.",
            ("TRADESPAN_FIGURES_CASH",)),
    Setting("figures.window", integer(1, 1_000_000), 100,
            "Trades of the rolling window of performance figures.",
            ("TRADESPAN_FIGURES_WINDOW",), unit="{trade}"),
    Setting("figures.periods_per_year", number(0.001, 1e9), None,
            "Returns a year, for figures per year; by default the calendar's sessions; else there "
            "are none.", ("TRADESPAN_FIGURES_PERIODS_PER_YEAR",)),
    Setting("figures.calendar", TEXT, None,
            "Exchange whose sessions are the days, by its name in `exchange_calendars` (XNYS), or "
            "24/7; by default days of the time zone.", ("TRADESPAN_FIGURES_CALENDAR",)),
    Setting("figures.time_zone", TIME_ZONE, "UTC",
            "Time zone of days and weeks.", ("TRADESPAN_FIGURES_TIME_ZONE",)),
    Setting("figures.day_starts", TIME_OF_DAY, "00:00",
            "When a day begins there: 17:00 in America/New_York for currencies.",
            ("TRADESPAN_FIGURES_DAY_STARTS",)),
    Setting("figures.risk_free", number(-1, 1), 0.0,
            "Risk-free return of one period.", ("TRADESPAN_FIGURES_RISK_FREE",)),
    Setting("figures.risk_window", integer(2, 1_000_000), 252,
            "Returns that value at risk looks back on.",
            ("TRADESPAN_FIGURES_RISK_WINDOW",), unit="{return}"),
    Setting("figures.risk_period", duration(0), 86_400.0,
            "How long a return of value at risk takes; 1d: a session, 0: from one valuation to the "
            "next.", ("TRADESPAN_FIGURES_RISK_PERIOD",), unit="s"),
)  # fmt: skip


_REDACT: tuple[Setting, ...] = (
    Setting("redact.enabled", BOOLEAN, True,
            "Whether secrets are replaced by `***` before anything is written.",
            ("TRADESPAN_REDACT",)),
    Setting("redact.names", NAMES, (),
            "Names of fields that are hidden beside the built-in ones, and all names that contain "
            "their words.",
            ("TRADESPAN_REDACT_NAMES",)),
    Setting("redact.keep", NAMES, (),
            "Names of fields that stay readable, exactly these.", ("TRADESPAN_REDACT_KEEP",)),
    Setting("redact.patterns", HIDDEN_PATTERNS, (),
            "Expressions whose matches in any text are hidden; one that could be slow is refused.",
            ("TRADESPAN_REDACT_PATTERNS",)),
)  # fmt: skip


def _as(key: str) -> Derived:
    return Derived(f"as {key}", lambda values, _: values[key])


_COUNT, _LENGTH = "limits.attribute_count", "limits.attribute_value_length"

_LIMITS: tuple[Setting, ...] = (
    Setting(_COUNT, integer(0), 128,
            "Most attributes of anything that has attributes.",
            ("OTEL_ATTRIBUTE_COUNT_LIMIT",), unit="{attribute}"),
    Setting(_LENGTH, integer(0), None,
            "Longest text of an attribute's value.",
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",), unit="{character}"),
    Setting("limits.span_attribute_count", integer(0), _as(_COUNT),
            "Most attributes of a span.", ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",),
            unit="{attribute}"),
    Setting("limits.span_attribute_value_length", integer(0), _as(_LENGTH),
            "Longest text of a span attribute's value.",
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",), unit="{character}"),
    Setting("limits.span_event_count", integer(0), 128,
            "Most events of a span.", ("OTEL_SPAN_EVENT_COUNT_LIMIT",), unit="{event}"),
    Setting("limits.span_link_count", integer(0), 128,
            "Most links of a span.", ("OTEL_SPAN_LINK_COUNT_LIMIT",), unit="{link}"),
    Setting("limits.event_attribute_count", integer(0), _as(_COUNT),
            "Most attributes of a span's event.", ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",),
            unit="{attribute}"),
    Setting("limits.link_attribute_count", integer(0), _as(_COUNT),
            "Most attributes of a span's link.", ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",),
            unit="{attribute}"),
)  # fmt: skip

_AGENT: tuple[Setting, ...] = (
    Setting("agent.poll_interval", duration(0.001), 0.1,
            "How often the agent looks for new records when it found none.",
            ("TRADESPAN_POLL_INTERVAL",), unit="s"),
    Setting("agent.takeover_interval", duration(0.001), 2.0,
            "How often a waiting agent tries to take over the root.",
            ("TRADESPAN_TAKEOVER_INTERVAL",), unit="s"),
    Setting("agent.retry_scale", number(0.0001, 1_000), 1.0,
            "Factor on all waits between attempts to deliver; tests make it small.",
            ("TRADESPAN_RETRY_SCALE",)),
    Setting("agent.earlier_rate", integer(0), 20_000,
            "Most records a second of what earlier runs left, for each destination, so that what "
            "happens now does not wait; 0: no limit.",
            ("TRADESPAN_EARLIER_RATE",), unit="{record}/s"),
    Setting("sampling.share", number(0, 1), 1.0,
            "Share of traces that is delivered, by trace id; those with an error, an order, an "
            "exemplar, a durable or a slow call are delivered all the same.",
            ("TRADESPAN_SAMPLING_SHARE",)),
    Setting("sampling.slow", duration(0), 1.0,
            "How long a call takes to be slow.", ("TRADESPAN_SAMPLING_SLOW",), unit="s"),
    Setting("sampling.wait", duration(0), 5.0,
            "How long the records of a trace wait on disk for its verdict, where a share is "
            "given.", ("TRADESPAN_SAMPLING_WAIT",), unit="s"),
)  # fmt: skip

_ORDERS: tuple[Setting, ...] = (
    Setting("orders.acknowledge_within", duration(0), 10.0,
            "How long an order's acknowledgement may take until the event `trading.order.stuck` "
            "tells of it. 0: for ever.",
            ("TRADESPAN_ORDERS_ACKNOWLEDGE_WITHIN",), unit="s"),
    Setting("orders.adopt", BOOLEAN, True,
            "Whether a new process takes over the open orders that dead ones of its service left.",
            ("TRADESPAN_ORDERS_ADOPT",)),
    Setting("orders.adopt_within", duration(0), 7 * 86_400.0,
            "How long what a process left open is kept for that, since its last sign of life.",
            ("TRADESPAN_ORDERS_ADOPT_WITHIN",), unit="s"),
)  # fmt: skip

PROTOCOLS = choice("http/protobuf", "http/json", "grpc")

# Name → kind, default, doc. Each exists for all signals (`otlp.timeout`,
# OTEL_EXPORTER_OTLP_TIMEOUT) and for each one (`otlp.traces.timeout`, …_OTLP_TRACES_TIMEOUT).
_EXPORTER: dict[str, tuple[Kind, Any, str]] = {
    "endpoint": (URLS, None, "Address of the OTLP receiver"),
    "protocol": (PROTOCOLS, "http/protobuf", "Transport and encoding"),
    "headers": (HEADERS, {}, "Headers of each request"),
    "timeout": (duration(0, zero_is_endless=True), 10.0, "Longest time of one request"),
    "compression": (choice("none", "gzip"), "none", "Compression of requests"),
    "certificate": (READABLE_FILE, None, "PEM file of the authorities that the receiver's "
                    "certificate is checked against"),
    "client_certificate": (READABLE_FILE, None, "PEM file of the client's certificate"),
    "client_key": (READABLE_FILE, None, "PEM file of the client's private key"),
    "insecure": (BOOLEAN, False, "Whether gRPC goes without TLS where the address has no scheme"),
}  # fmt: skip


def _exporter_settings() -> list[Setting]:
    rows = [
        Setting(f"{signal}.exporter", choice("otlp", "none")._replace(parse_otel=_exporter_list),
                "otlp", f"none: {signal} are not sent; otlp: they are, once an endpoint is given.",
                (f"OTEL_{signal.upper()}_EXPORTER",))
        for signal in SIGNALS
    ]  # fmt: skip
    for signal in ("", *SIGNALS):
        key = f"otlp.{signal}." if signal else "otlp."
        variable = f"OTEL_EXPORTER_OTLP_{signal.upper()}_" if signal else "OTEL_EXPORTER_OTLP_"
        for name, (kind, default, doc) in _EXPORTER.items():
            sentence = f"{doc}{_ENDING.get((name, bool(signal)), '')}."
            argument = "endpoint" if (signal, name) == ("", "endpoint") else ""
            unit = "s" if name == "timeout" else ""
            given = _as(f"otlp.{name}") if signal else default
            rows.append(Setting(key + name, kind, given, sentence,
                                (variable + name.upper(),), argument, unit=unit))  # fmt: skip
    return rows


_ENDING = {
    ("endpoint", False): "; for HTTP, /v1/traces (logs, metrics) is added to its path. Several, "
    "with blanks between or as a list: each gets everything, the first one "
    "(and others on its host) the headers and the client's certificate",
    ("endpoint", True): " of this signal; used as it is",
}


def _exporter_list(raw: str) -> str:
    """The part of `OTEL_TRACES_EXPORTER=otlp,console` that is ours."""
    names = {name.strip().lower() for name in raw.split(",")}
    if "otlp" in names:
        return "otlp"
    if names != {"none"}:
        raise ValueError
    return "none"


SETTINGS: tuple[Setting, ...] = (
    *_SHARED, *_PLACES, *_CAPTURE, *_LOGS, *_ORDERS, *_FIGURES, *_REDACT, *_SAMPLING, *_LIMITS,
    *_AGENT,
    *_exporter_settings(),
)  # fmt: skip

BY_KEY: Mapping[str, Setting] = {setting.key: setting for setting in SETTINGS}
BY_ARGUMENT: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}

RULE_TABLES: Mapping[str, str] = {
    "instrument": "Options of the functions that one pattern selects; the pattern is included.",
    "map": "What a function's call means: the signal, and where its fields are found.",
}
"""`[[instrument]]` and `[[map]]`: tables of the settings file, any number of each."""

PROFILES = ("development", "staging", "production")

PROFILE_KEYS: Mapping[str, str] = {
    "log_level": "log.level",
    "metrics_enabled": "metrics.enabled",
    "deployment.environment.name": "deployment.environment.name",
    "trade_execution": "trade_execution",
}
"""What `[environments.NAME]` may hold, and the setting that it overrides."""

EFFECTIVE_VARIABLE = "TRADESPAN_EFFECTIVE"

OTHER_VARIABLES: Mapping[str, str] = {
    "TRADESPAN_CONFIG": "The settings file to read in place of a search; none: no file.",
    EFFECTIVE_VARIABLE: "What a supervisor hands to its children; not to be set by hand.",
    "TRADESPAN_PURE": "1: the hot path in Python, although its C module is there.",
    "TRADESPAN_TEMPO_BIN": "Tempo's binary, for tradespan's own tests.",
}
"""Variables that are no setting. One that starts with `TRADESPAN__` is internal, never checked."""
