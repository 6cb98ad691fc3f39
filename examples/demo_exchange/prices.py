"""Two years of real weekly closes, read from the data file that the plotly package ships."""

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Final

CENT: Final = Decimal("0.01")

# The file holds closes divided by the first one. These are the first ones, in dollars.
FIRST_CLOSES: Final[Mapping[str, Decimal]] = {
    "AAPL": Decimal("175.00"),
    "AMZN": Decimal("1229.14"),
    "FB": Decimal("186.85"),
    "GOOG": Decimal("1102.23"),
    "MSFT": Decimal("88.19"),
    "NFLX": Decimal("209.99"),
}


@dataclass(frozen=True, slots=True)
class WeeklyCloses:
    """Closing prices in dollars, one per week and symbol."""

    weeks: tuple[date, ...]
    by_symbol: Mapping[str, tuple[Decimal, ...]]


def load_weekly_closes() -> WeeklyCloses:
    """Read the closes of six stocks from 2018 and 2019.

    Raises:
        FileNotFoundError: plotly is not installed, or it ships no such file any more.

    Source: the data set behind `plotly.data.stocks()`.
    """
    with gzip.open(locate_price_file(), "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return WeeklyCloses(
        weeks=tuple(date.fromisoformat(row["date"]) for row in rows),
        by_symbol={
            symbol: tuple((Decimal(row[symbol]) * first).quantize(CENT) for row in rows)
            for symbol, first in FIRST_CLOSES.items()
        },
    )


def locate_price_file() -> Path:
    """Find the file without importing plotly, which would cost more than the whole exchange."""
    package = find_spec("plotly")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder, "package_data", "datasets", "stocks.csv.gz")
        if path.is_file():
            return path
    raise FileNotFoundError(
        "the demo plays the prices of plotly's stocks.csv.gz: pip install plotly"
    )
