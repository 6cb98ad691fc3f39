"""`tradespan demo`: a small exchange and a momentum bot on real prices, recorded."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tradespan.bootstrap.folders import destinations
from tradespan.bootstrap.summary import summarise
from tradespan.cli.arguments import add_endpoint, read_time
from tradespan.cli.exits import FAILED, OK
from tradespan.cli.run import Target, begin_run, read_config, run_program
from tradespan.config import Config
from tradespan.spool.folder import RootLock

PATTERN = r"momentum_bot\.(strategy|models|risk|execution|portfolio)\..*"
_NEEDS = ("websockets", "plotly")


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "demo",
        help="run a small trading system and look at it",
        description="A small exchange plays real prices, a momentum bot trades on it. The bot does"
        " not know of tradespan.",
    )
    add = parser.add_argument
    add(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=read_time,
        help="end after so long (default: at Ctrl-C)",
    )
    add(
        "--seed",
        metavar="N",
        type=int,
        default=7,
        help="seed of the exchange and the bot (default: 7)",
    )
    add("--no-ui", action="store_true", help="without the UI")
    add("--port", metavar="N", help="the UI's port (default: 8420, or the next free one)")
    add("--metrics-port", metavar="N", help="serve /metrics on this port (8000 by custom)")
    add_endpoint(parser)
    add("--root", metavar="DIR", help="where to keep it (default: a root of the demo's own)")


def run(namespace: argparse.Namespace) -> int:
    """Run the demo to its end and print what was recorded."""
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    examples = find_examples()
    if missing or examples is None:
        what = "examples/ is not there" if examples is None else f"missing: {', '.join(missing)}"
        print(f"tradespan demo: pip install 'tradespan[demo,ui]' ({what})", file=sys.stderr)
        return FAILED
    config = _config(namespace, examples)
    arguments = ["--seed", str(namespace.seed), "--quiet"]
    if namespace.seconds:
        arguments += ["--for", f"{namespace.seconds:g}"]
    else:
        print("tradespan demo: running, Ctrl-C ends it", file=sys.stderr)
    paths = [str(examples), *filter(None, [os.environ.get("PYTHONPATH")])]
    end = run_program(
        config,
        begin_run(config, str(examples / "momentum_bot")),
        Target("--module", "momentum_bot", arguments),
        namespace,
        {"PYTHONPATH": os.pathsep.join(paths)},
    )
    print(summarise(config.store_path, end.books, destinations(config)))
    command, root = name_command(), shlex.quote(str(config.root))
    ways = (f"{command} {what} --root {root}" for what in ("ui", "traces", "logs"))
    print(f"look again: {'    '.join(ways)}")
    return OK if end.status in (0, 130) else end.status


def name_command() -> str:
    """What to type for `tradespan`: `make demo` runs one that is not on the PATH."""
    program = Path(sys.argv[0])
    if shutil.which("tradespan") is None and program.name == "tradespan":
        return shlex.quote(str(program))
    return "tradespan"


def find_examples() -> Path | None:
    """The folder with the demo's packages: in a clone, or inside the installed package."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / "momentum_bot" / "__main__.py").exists():
            return folder
    return None


def _config(namespace: argparse.Namespace, examples: Path) -> Config:
    for name in ("include", "exclude", "service", "spool", "store", "drain", "environment", "mode"):
        setattr(namespace, name, None)
    namespace.include = [PATTERN]
    namespace.max_overhead = "0"  # it is there to show every call
    namespace.no_store = False
    namespace.ui = not namespace.no_ui
    namespace.config = str(examples / "momentum_bot" / "tradespan.toml")
    if namespace.root is None:
        namespace.root = str(_fresh_root(read_config(namespace, "momentum-bot").root))
    return read_config(namespace, "momentum-bot")


def _fresh_root(root: Path) -> Path:
    """The demo's own root, emptied: its figures are of this run. Another one if it is in use."""
    demo = root / "demo"
    if not RootLock(demo).is_free():
        return Path(tempfile.mkdtemp(prefix="tradespan-demo-"))
    token = demo / "ui-token"
    kept = token.read_text() if token.exists() else None
    shutil.rmtree(demo, ignore_errors=True)
    if kept is not None:
        demo.mkdir(mode=0o700, parents=True)
        token.touch(mode=0o600)
        token.write_text(kept)
    return demo
