"""Hot functions under `tradespan run -i`: watched less, counted where they are, and said so."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from typing import Any

from tests.contract.desk import Desk
from tradespan.spool.folder import read_json
from tradespan.spool.governed import read_governed

LEVELS = """
    from tradespan.instrument.auto.governor import GOVERNOR

    def level_of(name):
        units = GOVERNOR.units.copy().values()
        found = [each.governed for each in units if each.governed.name == name]
        return found[0].level.name if found else "FULL"
    """
MOST = 20_000_000
"""Calls after which the programs below give up: nobody has watched them less."""
TIGHT = f"""
    import levels

    def step(number):
        return number

    def report(calls):
        return calls

    calls = 0
    while levels.level_of("bot.step") != "RESTORED" and calls < {MOST}:
        for number in range(1_000):
            step(number)
        calls += 1_000
    for number in range(100_000):
        step(number)
    report(calls)
    print(calls)
    """
STEADY = f"""
    import levels

    def step(text):
        for _ in range(1_000):
            pass
        if text == "":
            raise ValueError("no text")

    calls = 0
    while levels.level_of("bot.step") != "COUNTED" and calls < {MOST}:
        step("a text of some length " * 100)
        calls += 1
    for _ in range(10_000):
        step("another")
        calls += 1
    try:
        step("")
    except ValueError:
        calls += 1
    print(calls)
    """


def spans(desk: Desk, function: str, status: str = "%") -> int:
    """How many spans of a function with one argument are stored; `status`: `OK` or `ERR`."""
    query = """SELECT count(*) FROM data_trace
               WHERE process = ? AND data_type = 'INPUT' AND status LIKE ?"""
    with closing(sqlite3.connect(f"file:{desk.store}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute(query, (function, status)).fetchone()
    return int(count)


def counts(desk: Desk) -> dict[str, dict[str, Any]]:
    """Function name → what `tradespan functions` says."""
    told = desk.tradespan("functions", "--json", "--root", desk.root)
    return {each["name"]: each for each in map(json.loads, told.out.splitlines())}


def governors(desk: Desk) -> str:
    """What doctor says of them. Its status is 0: the books balance."""
    told = desk.tradespan("doctor", "--json", "--root", desk.root)
    assert told.status == 0, told.out
    return "\n".join(
        each["says"] for each in json.loads(told.out)["hops"] if each["hop"].startswith("governor")
    )


def test_a_tight_loop_is_given_back_and_the_rest_goes_on(desk: Desk) -> None:
    desk.write("levels.py", LEVELS)
    ended = desk.run("-i", r"bot\..*", desk.write("bot.py", TIGHT))
    assert ended.status == 0, ended.err
    calls = int(ended.out)
    assert calls < MOST
    counted = counts(desk)
    # What was called until then is counted; of the 100,000 calls after it at most a probe's are.
    assert 0 < spans(desk, "bot.step") <= counted["bot.step"]["calls"] < calls + 100_000
    assert spans(desk, "bot.report") == 1
    assert (counted["bot.step"]["watched"], counted["bot.report"]["watched"]) == (
        "restored",
        "full",
    )
    (told,) = read_governed(desk.folder_of_run)
    assert [each["name"] for each in told["functions"]] == ["bot.step"]
    assert re.search(r"bot\.step is not observed since .* a core", governors(desk))


def test_what_is_only_counted_is_counted_to_the_call_and_its_errors_are_spans(desk: Desk) -> None:
    desk.write("levels.py", LEVELS)
    bot = desk.write("bot.py", STEADY)
    ended = desk.run("-i", r"bot\..*", "--max-overhead", "0.1", bot)
    assert ended.status == 0, ended.err
    calls = int(ended.out)
    assert calls < MOST
    step = counts(desk)["bot.step"]
    assert (step["calls"], step["errors"], step["watched"]) == (calls, 1, "counted")
    assert 0 < spans(desk, "bot.step") <= calls - 9_000
    assert spans(desk, "bot.step", "ERR") == 1
    assert re.search(r"bot\.step is only counted since", governors(desk))
    drained = read_json(desk.folder_of_run.path / "drained.json")
    assert drained is not None
    assert {each["unaccounted"] for each in drained["sinks"].values()} == {0}


def test_off_every_call_is_a_span(desk: Desk) -> None:
    desk.write("levels.py", LEVELS)
    bot = desk.write("bot.py", TIGHT.replace(str(MOST), "20_000"))
    ended = desk.run("-i", r"bot\..*", "--max-overhead", "0", bot)
    assert ended.status == 0, ended.err
    assert spans(desk, "bot.step") == int(ended.out) + 100_000 == 120_000
    assert governors(desk) == ""
