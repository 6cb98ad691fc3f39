"""The search language, as text."""

from __future__ import annotations

import pytest

from tradespan.store.filters import (
    Duration,
    Equals,
    Group,
    InvalidSearch,
    Name,
    Running,
    Service,
    Started,
    Status,
    Term,
    Word,
    list_terms,
    parse_search,
)
from tradespan.store.rows import TraceFilter


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  \t ", []),
        ("AAPL", [Word("AAPL")]),
        ("two  words", [Word("two"), Word("words")]),
        ('"two words"', [Word("two words")]),
        ("symbol=AAPL", [Equals("symbol", "AAPL")]),
        ("trading.order.client_id=O-1=2", [Equals("trading.order.client_id", "O-1=2")]),
        ('symbol="BRK B"', [Equals("symbol", "BRK B")]),
        ('note=""', [Equals("note", "")]),
        ('"symbol=AAPL"', [Word("symbol=AAPL")]),
        ('sym"bol=A"', [Word("symbol=A")]),
        ("=5", [Word("=5")]),
        ("a+b=5", [Word("a+b=5")]),
        ("status:err", [Status(failed=True)]),
        ("status:OK", [Status(failed=False)]),
        ("status:running", [Running()]),
        ("duration:>10ms", [Duration(10_000_001, None)]),
        ("duration:>=1.5s", [Duration(1_500_000_000, None)]),
        ("duration:<2us", [Duration(None, 1_999)]),
        ("duration:<=2µs", [Duration(None, 2_000)]),
        (r"name:risk\..*", [Name(r"risk\..*")]),
        (r'name:"a b\.c"', [Name(r"a b\.c")]),
        ("group:risk", [Group("risk")]),
        ("service:momentum-bot", [Service("momentum-bot")]),
        ("http://venue:8080/x", [Word("http://venue:8080/x")]),
        ('"status:err"', [Word("status:err")]),
        (r'"say \"no\" to C:\dir"', [Word(r'say "no" to C:\dir')]),
        (
            'status:err symbol=AAPL "no answer"',
            [Status(failed=True), Equals("symbol", "AAPL"), Word("no answer")],
        ),
    ],
)
def test_search_is_read_as(text: str, terms: list[Term]) -> None:
    assert parse_search(text) == terms


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ('ok "no end', 3, "this quote is not closed"),
        ("status:maybe", 7, "the status is err, ok or running, not maybe"),
        ("a status:", 9, "a value is missing after status:"),
        ("symbol=", 7, "a value is missing after symbol="),
        ("x duration:10ms", 11, "expected a comparison and a duration"),
        ("duration:>10parsec", 12, "expected a comparison and a duration"),
        ("name:a(b", 6, "the regular expression fails: missing )"),
        ("stauts:err", 0, "there is no stauts:, did you mean status:"),
    ],
)
def test_error_names_the_position(text: str, position: int, reason: str) -> None:
    with pytest.raises(InvalidSearch) as caught:
        parse_search(text)
    assert caught.value.position == position
    assert reason in caught.value.reason
    assert str(caught.value).endswith(f"\n  {text}\n  {' ' * position}^")


def test_error_of_a_search_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="at position 7"):
        parse_search("status:x")


def test_filter_asks_for_everything_at_once() -> None:
    wanted = TraceFilter(
        since=1,
        errors=True,
        name="risk",
        text="AAPL",
        group="g",
        service="s",
        minimum_duration=2,
        maximum_duration=3,
    )
    assert list_terms(wanted) == [
        Started(1, None),
        Status(failed=True),
        Duration(2, 3),
        Name("risk"),
        Group("g"),
        Service("s"),
        Word("AAPL"),
    ]


def test_bad_expression_for_names_shows_its_place() -> None:
    with pytest.raises(InvalidSearch) as caught:
        list_terms(TraceFilter(name="*.risk"))
    assert (caught.value.position, caught.value.text) == (0, "*.risk")
