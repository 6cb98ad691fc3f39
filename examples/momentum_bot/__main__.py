"""Run the bot: `python -m momentum_bot --help` tells the options."""

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack

from momentum_bot.app import App, Summary
from momentum_bot.exchange_process import ExchangeStartError, local_exchange
from momentum_bot.execution import ExchangeUnavailableError


def main() -> int:
    """Trade until the time is over, or SIGTERM or Ctrl-C."""
    options = parse_arguments()
    try:
        summary = asyncio.run(trade(options))
    except (ExchangeStartError, ExchangeUnavailableError) as error:
        print(f"momentum_bot: {error}", file=sys.stderr)
        return 1
    if not options.quiet:
        print(f"momentum_bot: {summary}", file=sys.stderr)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="momentum_bot", description="A small momentum bot on a demo exchange."
    )
    parser.add_argument(
        "--exchange", type=address, metavar="URL", help="ws://…; without it, one is started"
    )
    parser.add_argument(
        "--for", type=positive, dest="seconds", metavar="SECONDS", help="end after that time"
    )
    parser.add_argument(
        "--seed", type=int, default=7, help="of the exchange and of all random choices (default 7)"
    )
    parser.add_argument("--quiet", action="store_true", help="print no summary at the end")
    return parser.parse_args()


def address(text: str) -> str:
    """Read the address of an exchange."""
    if not text.startswith(("ws://", "wss://")):
        raise argparse.ArgumentTypeError(f"{text} does not begin with ws://")
    return text


def positive(text: str) -> float:
    """Read a number over zero."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number over zero")
    return number


async def trade(options: argparse.Namespace) -> Summary:
    """Run the bot, with an exchange of its own if no other is given."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        url = options.exchange or await stack.enter_async_context(local_exchange(options.seed))
        return await App(url, options.seed).run(options.seconds, stop)


if __name__ == "__main__":
    sys.exit(main())
