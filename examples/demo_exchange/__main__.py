"""Run the exchange: `python -m demo_exchange --help` tells the options."""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from demo_exchange.server import Exchange, Pace

SECONDS_BETWEEN_LOOKS_AT_PARENT: Final = 0.25


def main() -> int:
    """Serve until SIGTERM, Ctrl-C or the parent's death."""
    options = parse_arguments()
    try:
        exchange = Exchange(options.seed, Pace(ticks_per_second=options.ticks_per_second))
        with suppress(asyncio.CancelledError):
            asyncio.run(serve_until_told(exchange, options))
    except OSError as error:
        print(f"demo_exchange: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="demo_exchange", description="A small exchange that plays real prices."
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)"
    )
    parser.add_argument("--seed", type=int, default=7, help="of every random choice (default 7)")
    parser.add_argument(
        "--ticks-per-second", type=positive, default=30.0, help="over all symbols (default 30)"
    )
    parser.add_argument(
        "--announce", type=Path, metavar="FILE", help="write the address there when ready"
    )
    parser.add_argument(
        "--parent",
        type=int,
        default=os.getppid(),
        metavar="PID",
        help="end when this is not the parent",
    )
    return parser.parse_args()


def positive(text: str) -> float:
    """Read a number over zero."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number over zero")
    return number


async def serve_until_told(exchange: Exchange, options: argparse.Namespace) -> None:
    """Run the exchange as a task that a signal or the parent's death cancels."""

    def announce(address: str) -> None:
        if options.announce:
            unfinished = options.announce.with_name(options.announce.name + ".new")
            unfinished.write_text(address + "\n", encoding="utf-8")
            unfinished.replace(options.announce)
        print(address, flush=True)

    serving = asyncio.create_task(exchange.run(options.port, announce))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    watching = asyncio.create_task(wait_for_end_of_parent(options.parent))
    watching.add_done_callback(lambda _: serving.cancel())
    await serving


async def wait_for_end_of_parent(parent: int) -> None:
    """Return when this process has been given to another parent."""
    while os.getppid() == parent:  # noqa: ASYNC110 - there is no event for it everywhere
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS_AT_PARENT)


if __name__ == "__main__":
    sys.exit(main())
