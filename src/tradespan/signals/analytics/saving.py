"""A portfolio's books as JSON can hold them, and back. Numbers are texts: none is rounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from tradespan.signals.analytics.books import Books
from tradespan.signals.analytics.exact import EXACT, ZERO, Kind, plain, read, read_text, read_time
from tradespan.signals.analytics.positions import NEVER, Holding, Key
from tradespan.signals.analytics.sums import Sum
from tradespan.signals.analytics.turnover import Days

VERSION: Final = 1
_LONGEST_NUMBER: Final = 1_000
_COUNTS: Final = ("fills", "duplicates", "late", "late_marks", "merged")


@contextmanager
def explained() -> Iterator[None]:
    """Whatever is wrong with saved books is one kind of error.

    Raises:
        ValueError: See above.
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"these are no saved books: {error.args[0]} is missing") from error
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"these are no saved books: {error}") from error


def check_version(saved: Mapping[str, Any]) -> None:
    """Whether they can be read here.

    Raises:
        ValueError: They are of another version.
    """
    if saved["version"] != VERSION:
        raise ValueError(f"version {saved['version']!r}, not {VERSION}")


def to_texts(value: Any) -> Any:
    """As JSON has it: numbers exactly, as text; lists for tuples."""
    if isinstance(value, Decimal):
        return str(plain(value))
    if isinstance(value, dict):
        return {key: to_texts(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_texts(each) for each in value]
    return value


def read_number(text: Any) -> Decimal:
    """What `to_texts` wrote."""
    if not isinstance(text, str) or len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number is {text!r:.100}")
    number = EXACT.create_decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > _LONGEST_NUMBER:
        raise ValueError(f"a number is {text:.100}")
    return number


def read_optional(text: Any) -> Decimal | None:
    """See `read_number`."""
    return None if text is None else read_number(text)


def write_books(books: Books) -> dict[str, Any]:
    """All but the constructor's arguments, copied: `to_texts` then needs no lock."""
    turnover = books.turnover
    return {
        "kind": books.kind.value,
        "cash": dict(books.cash),
        "paid_in": dict(books.paid_in),
        "positions": [_write_holding(each) for each in [*books.closed.values(), *books.holdings()]],
        "prices": [(*where, *price) for where, price in books.prices.items()],
        "sums": _write_sums(books),
        "turnover": {"ts": turnover.ts, "amounts": dict(turnover.amounts)},
        "executions": list(books.executions),
        "last_ts": books.last_ts,
        "counts": {name: getattr(books, name) for name in _COUNTS},
    }


def read_books(saved: Mapping[str, Any], books: Books, sessions: Days) -> None:
    """Into new books."""
    books.kind = Kind(saved["kind"])
    books.cash = _read_amounts(saved["cash"])
    books.paid_in = _read_amounts(saved["paid_in"])
    for each in saved["positions"]:
        _read_holding(each, books)
    for symbol, venue, currency, price, ts in saved["prices"]:
        where = _read_texts("price", symbol, venue, currency)
        books.prices[where[0], where[1], where[2]] = read_number(price), read_time(ts)
    _read_sums(saved["sums"], books)
    turnover, ts = books.turnover, saved["turnover"]["ts"]
    if ts is not None:
        turnover.ts, turnover.day = read_time(ts), sessions.day(ts)
        turnover.amounts = _read_amounts(saved["turnover"]["amounts"])
    for symbol, venue, account, known in saved["executions"]:
        _read_texts("execution", symbol, venue, account, known)
        books.executions[symbol, venue, account, known] = None
    last = saved["last_ts"]
    books.last_ts = None if last is None else read_time(last)
    for name in _COUNTS:
        setattr(books, name, int(read(saved["counts"][name], name)))


def read_rates(saved: Mapping[str, Any]) -> list[tuple[str, str, Decimal, int | None]]:
    """As `Rates.saved` told them."""
    return [(source, target, read_number(rate), ts) for source, target, rate, ts in saved["rates"]]


def _read_texts(field: str, *texts: object) -> list[str]:
    return [read_text(each, field) for each in texts]


def _read_amounts(saved: Mapping[str, str]) -> dict[str, Decimal]:
    return {read_text(name, "currency"): read_number(text) for name, text in saved.items()}


def _write_holding(holding: Holding) -> dict[str, Any]:
    priced = holding.price is not None
    return {
        **holding.key._asdict(),
        "multiplier": holding.multiplier,
        "lots": holding.lots.lots(),
        "price": holding.price,
        "price_ts": holding.price_ts if priced else None,
        "realised": holding.realised,
        "fees": dict(holding.fees),
        "opened_ts": holding.opened_ts,
    }


def _read_holding(saved: Mapping[str, Any], books: Books) -> None:
    key = Key(*(read_text(saved[name], name) for name in Key._fields))
    holding = books.add_holding(key)
    holding.multiplier = read_number(saved["multiplier"])
    for quantity, cost, unit in saved["lots"]:
        lot = read_number(quantity), read_number(cost), read_optional(unit)
        held = holding.lots.quantity
        if not lot[0] or (held and held.is_signed() != lot[0].is_signed()):
            raise ValueError(f"a lot of {key.symbol} is of the other side, or empty")
        holding.lots.receive(lot)
    holding.price = read_optional(saved["price"])
    holding.price_ts = NEVER if holding.price is None else read_time(saved["price_ts"])
    holding.realised = read_number(saved["realised"])
    holding.fees = _read_amounts(saved["fees"])
    holding.opened_ts = read_time(saved["opened_ts"])
    books.restore(holding)


def _sums(books: Books) -> Iterator[tuple[tuple[str, str, str], Sum]]:
    """Dimension, value and currency, all but the last empty for the whole, and the sums."""
    for currency, sums in books.groups.all.sums.items():
        yield ("", "", currency), sums
    for dimension, groups in books.groups.by.items():
        for value, group in groups.items():
            for currency, sums in group.sums.items():
                yield (dimension, value, currency), sums


def _write_sums(books: Books) -> list[tuple[Any, ...]]:
    """Realised profit and fees: more than the positions that are remembered add up to."""
    return [
        (*where, sums.realised, sums.fees)
        for where, sums in sorted(_sums(books), key=itemgetter(0))
        if sums.realised or sums.fees
    ]


def _read_sums(saved: list[list[str]], books: Books) -> None:
    for dimension, value, currency, realised, fees in saved:
        _read_texts("sum", dimension, value)
        group = books.groups.at(dimension, value) if dimension else books.groups.all
        sums = group.of(read_text(currency, "currency"))
        sums.realised, sums.fees = read_number(realised) or ZERO, read_number(fees) or ZERO
