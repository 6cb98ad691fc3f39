"""`tradespan run`: the program and the agent, under one supervisor."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from tradespan.bootstrap.environment import agent_environment, bot_environment
from tradespan.bootstrap.folders import (
    choose_root,
    describe_run,
    destinations,
    name_origin,
    open_run_folder,
)
from tradespan.bootstrap.receivers import lacks_grpc
from tradespan.cli.arguments import add_endpoint, one_or_many
from tradespan.cli.exits import USAGE
from tradespan.cli.run_end import print_end, print_open_orders, print_rest
from tradespan.config import Config, load_config
from tradespan.config.entries import find_near
from tradespan.core.errors import SpoolUnavailable, TargetNotFound
from tradespan.spool.deaths import is_alarming, name_calls, say_death, trace_of
from tradespan.spool.folder import RunFolder, say_why
from tradespan.supervise import RunEnd, RunPlan, Supervisor


class Target(NamedTuple):
    """What to run."""

    kind: str
    """`--script` or `--module`, as `bootstrap.launch` takes it."""
    name: str
    arguments: list[str]

    @property
    def service(self) -> str:
        """What a user would call it: the script's stem, or the module's name."""
        if self.kind == "--module":
            return self.name.removesuffix(".__main__")
        return Path(self.name).resolve().stem


_WITH_VALUE = {
    "-i", "--include", "-x", "--exclude", "--service", "--root", "--spool", "--store", "--drain",
    "--endpoint", "--port", "--metrics-port", "--config", "--environment", "--mode",
    "--max-overhead",
}  # fmt: skip


def split_target(words: list[str]) -> tuple[list[str], Target | None]:
    """Our options, and the program with its own: everything from the script or `-m` on is its."""
    place = 0
    while place < len(words):
        word = words[place]
        if word == "-m":
            name = words[place + 1 : place + 2]
            rest = words[place + 2 :]
            return words[:place], Target("--module", name[0], rest) if name else None
        if word == "--":
            return words[:place], _script(words[place + 1 :])
        if not word.startswith("-") or word == "-":
            return words[:place], _script(words[place:])
        place += 2 if word in _WITH_VALUE else 1
    return words, None


def _script(words: list[str]) -> Target | None:
    if words[:1] == ["-m"] and len(words) > 1:
        return Target("--module", words[1], words[2:])
    return Target("--script", words[0], words[1:]) if words else None


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "run",
        help="run a program and record what it does",
        usage="tradespan run [OPTION…] (SCRIPT.py | -m MODULE) [ARG…]",
        description="Run a Python program unchanged; what the patterns name is recorded. Options"
        " stand before the program, what stands behind it is its own. Exit status: the program's.",
        epilog="tradespan run -i 'bot\\..*' bot.py --symbol BTC-USDT; without -i: functions with"
        " @tradespan.monitor, and those that tradespan.toml names.",
    )
    add_run_options(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options of `run`, which `demo` has too."""
    add = parser.add_argument
    pattern = "functions to %s: module.Class.method, or a dotted prefix; may be given again"
    add("-i", "--include", action="append", metavar="REGEX", help=pattern % "watch")
    add("-x", "--exclude", action="append", metavar="REGEX", help=pattern % "leave alone")
    add("--service", metavar="NAME", help="the service's name (default: the program's)")
    add("--environment", metavar="NAME", help="development, staging or production")
    add(
        "--mode",
        choices=("live", "paper", "backtest"),
        help="whether it is for real (default: live)",
    )
    add(
        "--max-overhead",
        metavar="SHARE",
        help="share of a core that watching by pattern may cost (default: 0.02; 0: no limit)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--root", metavar="DIR", help="where runs, store and agent live")
    where.add_argument("--spool", metavar="DIR", help="this run's own folder")
    store = parser.add_mutually_exclusive_group()
    store.add_argument("--store", metavar="FILE", help="the embedded store (default: in the root)")
    store.add_argument("--no-store", action="store_true", help="keep no local store")
    add_endpoint(parser)
    add("--drain", metavar="TIME", help="how long the end waits for the receiver (default: 10s)")
    ui = parser.add_mutually_exclusive_group()
    ui.add_argument("--ui", action="store_true", help="serve the UI while the program runs")
    ui.add_argument("--no-ui", action="store_true", help="neither UI nor hint")
    add("--port", metavar="N", help="the UI's port (default: 8420, or the next free one)")
    add("--metrics-port", metavar="N", help="serve /metrics on this port (8000 by custom)")
    add("--config", metavar="FILE", help="settings file (default: the nearest tradespan.toml)")


def run(namespace: argparse.Namespace) -> int:
    """Run the program to its end; its exit status is ours."""
    target: Target | None = namespace.target
    if target is None:
        print(
            "tradespan run: name a script or -m MODULE, as in: tradespan run -i 'bot\\..*' bot.py",
            file=sys.stderr,
        )
        return USAGE
    if target.kind == "--script" and not Path(target.name).exists():
        near = _behind_python(target) or near_file(target.name)
        raise TargetNotFound(target.name, "script", near)
    config = choose_root(read_config(namespace, target.service))
    try:
        folder = begin_run(config, target.name if target.kind == "--script" else "")
    except SpoolUnavailable as error:
        print(f"tradespan: {error} The program runs, unrecorded.", file=sys.stderr)
        execute_bare(target)
    return run_program(config, folder, target, namespace).status


def begin_run(config: Config, script: str) -> RunFolder:
    """The folder of a new run, described. `script`: its path; empty for a module.

    Raises:
        SpoolUnavailable: There is no place to record in.
    """
    wanted = {"ui_port": config.ui.port} if config.ui.mode == "on" else {}
    folder = open_run_folder(config)
    try:
        describe_run(folder, config, script=script, drain=config.drain, **wanted)
    except OSError as error:
        reason = say_why(folder.path, error)
        raise SpoolUnavailable(folder.path, reason, name_origin(config)) from error
    return folder


def execute_bare(target: Target) -> NoReturn:
    """Become the program, as if tradespan had not been named."""
    name = ["-m", target.name] if target.kind == "--module" else [target.name]
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *name, *target.arguments])  # noqa: S606 - no shell


def read_config(namespace: argparse.Namespace, service: str) -> Config:
    """The settings of one run, from its options, the environment and the settings file."""
    names = ("include", "exclude", "service", "root", "spool", "store", "endpoint", "drain", "port",
             "metrics_port", "environment", "mode", "max_overhead")  # fmt: skip
    given = {name: getattr(namespace, name) for name in names}
    given["endpoint"] = one_or_many(namespace.endpoint)
    given = {name: value for name, value in given.items() if value is not None}
    if namespace.no_store:
        given["store"] = None
    if namespace.ui or namespace.no_ui:
        given["ui"] = "on" if namespace.ui else "off"
    return load_config(
        given,
        config_file=namespace.config,
        service_default=service,
        command_line=True,
        inherit=False,
    )


def run_program(
    config: Config,
    folder: RunFolder,
    target: Target,
    namespace: argparse.Namespace,
    extra_environment: dict[str, str] | None = None,
) -> RunEnd:
    """Run a program under a supervisor, tell the user what there is to see and what is left."""
    for sentence in filter(None, [*config.warnings, lacks_grpc(config)]):
        print(f"tradespan: {sentence}", file=sys.stderr)
    environment = {**os.environ, **(extra_environment or {})}
    launch = [sys.executable, "-m", "tradespan.bootstrap.launch"]
    # -P: a `signal.py` in the user's folder is not ours to import.
    agent = [sys.executable, "-P", "-m", "tradespan", "agent"]
    notices = Notices(config, folder)
    plan = RunPlan(
        bot=[*launch, target.kind, target.name, *target.arguments],
        bot_environment=bot_environment(config, folder, environment),
        agent=[*agent, "--attached", "--parent", str(os.getpid()), str(config.root)],
        agent_environment=agent_environment(
            config, environment, " ".join(namespace.endpoint or [])
        ),
        root=config.root,
        folder=folder,
        drain=config.drain,
        on_agent=notices.hear,
        on_progress=_print_progress,
    )
    end = Supervisor(plan).run()
    print_rest(config, folder, end)
    print_death(config, folder)
    print_open_orders(config, folder)
    if config.ui.mode == "hint" and sys.stderr.isatty():
        print_end(config, end)
    return end


class Notices:
    """Tells the user what the agent says and he should know, once each."""

    def __init__(self, config: Config, folder: RunFolder) -> None:
        self._wants_ui = config.ui.mode == "on"
        self._port = config.metrics_port
        self._wants_scrape = config.metrics_port is not None
        self._untold = {address for _, address in destinations(config)}
        self._folder = str(folder.path)
        self._agent = 0
        self._warned: dict[str, int] = {}
        """Sink → number of the last backlog that was told of."""

    def hear(self, told: dict[str, Any]) -> None:
        """Look through `agent.json`."""
        for address, reason in told.get("problems", {}).items():
            if address in self._untold:
                self._untold.discard(address)
                print(f"tradespan: {reason}", file=sys.stderr)
        if self._wants_ui:
            self._wants_ui = not _print_link(told)
        if self._wants_scrape:
            self._wants_scrape = not _print_scrape(told, self._port)
        self._tell_backlogs(told)

    def _tell_backlogs(self, told: dict[str, Any]) -> None:
        """Each warning of this run's backlogs; another agent counts them anew."""
        if (agent := told.get("pid", 0)) != self._agent:
            self._agent = agent
            self._warned = dict.fromkeys(self._warned, 1)
        for backlog in told.get("backlogs", []):
            sink, number = backlog["sink"], backlog["number"]
            if backlog["folder"] == self._folder and number > self._warned.get(sink, 0):
                self._warned[sink] = number
                print(f"tradespan: {backlog['sentence']}", file=sys.stderr)


def _print_link(told: dict[str, Any]) -> bool:
    """Print where the UI is, or why it is not; False while the agent does not know yet."""
    if link := told.get("ui"):
        print(f"tradespan: UI at {link}", file=sys.stderr)
    elif error := told.get("ui_error"):
        print(f"tradespan: no UI: {error}", file=sys.stderr)
    else:
        return False
    return True


def _print_scrape(told: dict[str, Any], wanted: int | None) -> bool:
    """Print where metrics are scraped, or why not; False while the agent does not know yet."""
    if address := told.get("scrape"):
        ours = f":{wanted}/" in address
        why = "" if ours else f", not at port {wanted}: all runs of a root have one, the first's"
        print(f"tradespan: metrics at {address}{why}", file=sys.stderr)
    elif error := told.get("scrape_error"):
        print(f"tradespan: {error}", file=sys.stderr)
    else:
        return False
    return True


def _print_progress(told: dict[str, Any]) -> None:
    print(
        f"tradespan: delivering, {told.get('waiting', 0):,} of {told.get('recorded', 0):,} records"
        " wait",
        file=sys.stderr,
    )


def print_death(config: Config, folder: RunFolder) -> None:
    """Say of what the bot died, and in which calls; an exception has been printed by Python."""
    began = folder.description.get("began", 0.0)
    for note in folder.deaths():
        # Those of an earlier run in the same folder have been said.
        if note["time"] < began or not is_alarming(note) or note.get("exception") is not None:
            continue
        named = name_calls(note)
        root = (
            "" if config.origin("root") == "default" else f" --root {shlex.quote(str(config.root))}"
        )
        trace = trace_of(note)
        command = f"tradespan trace {trace[:16]}{root}" if trace else f"tradespan deaths{root}"
        print(
            f"tradespan: {say_death(note)}{f': {named}' if named else ''}; see: {command}",
            file=sys.stderr,
        )


def _behind_python(target: Target) -> str | None:
    """`python bot.py` → `bot.py`: the interpreter is not to be named."""
    if not Path(target.name).name.startswith("python") or not target.arguments:
        return None
    return " ".join(target.arguments[: 2 if target.arguments[0] == "-m" else 1])


def near_file(name: str) -> str | None:
    """A script in the same folder that may have been meant."""
    path = Path(name)
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.suffix == ".py"]
    except OSError:
        return None
    close = find_near(path.name, names)
    return str(path.with_name(close)) if close else None
