"""Run the engine: `python -m instrumented_engine --help` tells the options."""

import argparse
import json
import logging
import time
from collections.abc import Iterator

import tradespan
from instrumented_engine.engine import PairsEngine
from instrumented_engine.paper import PaperBroker
from instrumented_engine.prices import Bar, replay


def main() -> int:
    """Replay the bars, and print what was done, as JSON."""
    options = parse_arguments()
    logging.getLogger("instrumented_engine").setLevel(logging.INFO)
    if options.record:
        tradespan.configure(service="instrumented-engine", mode="backtest")
    engine = PairsEngine(PaperBroker(), options.loss_limit)
    engine.run(paced(replay(options.bars, options.seed), options.pace))
    told = {"predictions": engine.oracles.predicted, "right": engine.oracles.right}
    print(json.dumps(dict(sorted(engine.tally.items())) | told))
    return 0


def paced(bars: Iterator[Bar], seconds: float) -> Iterator[Bar]:
    """Bars with a pause before each."""
    for bar in bars:
        time.sleep(seconds)
        yield bar


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="instrumented_engine", description="A pairs trader on paper, over replayed prices."
    )
    parser.add_argument("--bars", type=int, default=600, help="minutes to replay (default 600)")
    parser.add_argument("--seed", type=int, default=11, help="of the prices (default 11)")
    parser.add_argument(
        "--pace", type=float, default=0.002, help="seconds from bar to bar (default 0.002)"
    )
    parser.add_argument(
        "--loss-limit",
        type=float,
        default=2_000.0,
        help="US dollars below the highest value at which it stops (2000)",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="call tradespan.configure(); not under `tradespan run`",
    )
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
