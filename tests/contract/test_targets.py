"""Patterns and their options by the real commands: the dry run, and the run that it foretells."""

from __future__ import annotations

import json

import pytest

from tests.contract.desk import Desk

RISK = """
    import sys

    class Limits:
        @property
        def price(self):
            return 1

        def check(self, number):
            return number < 100

    def caller():
        return sys._getframe(1).f_lineno
    """

BOT = """
    from desk.risk import Limits, caller

    def work(number):
        return Limits().check(number) and Limits().price

    def main():
        print([work(number) for number in range(4)], caller())

    main()
    """


@pytest.fixture(autouse=True)
def bot(desk: Desk) -> None:
    desk.write("desk/__init__.py", "")
    desk.write("desk/risk.py", RISK)
    desk.write("bot.py", BOT)


# ── the dry run ─────────────────────────────────────────────────────────────────────────────────


def test_what_is_foretold_is_what_a_run_watches(desk: Desk) -> None:
    patterns = ("-i", r"bot\..*", "-i", r"desk\..*", "-x", r".*\.main")
    told = desk.tradespan("targets", *patterns, "bot.py", "--json")
    assert (told.status, told.err) == (0, "")
    functions = json.loads(told.out)["functions"]
    watched = {row["name"] for row in functions if row["what"] == "watched"}
    ended = desk.run(*patterns, "bot.py")
    assert ended.status == 0
    assert set(desk.stored_names()) == watched == {"bot.work", "desk.risk.Limits.check"}


def test_nothing_of_the_bot_runs_and_nothing_is_written(desk: Desk) -> None:
    before = sorted(path for path in desk.folder.rglob("*") if "stderr" not in path.name)
    ended = desk.tradespan("targets", "-i", r"(bot|desk)\..*", "bot.py")
    assert (ended.status, ended.err) == (0, "")
    assert "[1, 1, 1, 1]" not in ended.out
    after = sorted(path for path in desk.folder.rglob("*") if "stderr" not in path.name)
    assert after == before


def test_threads_that_modules_start_are_not_waited_for(desk: Desk) -> None:
    desk.write(
        "desk/feed.py",
        """
        import threading
        threading.Thread(target=threading.Event().wait).start()
        def poll(): ...
        """,
    )
    ended = desk.tradespan("targets", "-i", r"desk\.feed")
    assert ended.status == 0
    assert "desk.feed.poll" in ended.out


def test_a_pattern_that_matches_nothing_gives_status_1(desk: Desk) -> None:
    ended = desk.tradespan("targets", "-i", r"desk\.rsik\..*", "-i", "desk")
    assert ended.status == 1
    assert "matches no function; near names: desk.risk" in ended.err


# ── what a run says at its end ──────────────────────────────────────────────────────────────────


def test_functions_that_cannot_be_watched_are_summed_up_at_the_end(desk: Desk) -> None:
    ended = desk.run("-i", "desk", "bot.py")
    assert (ended.status, ended.out) == (0, "[1, 1, 1, 1] 7\n")
    assert ended.err == (
        "tradespan: 1 function that patterns name is not watched (1 frame-sensitive);"
        " tradespan targets says which and why\n"
    )


def test_a_pattern_that_names_only_a_property_is_told_how_to_name_it(desk: Desk) -> None:
    ended = desk.run("-i", r"desk\.risk\.Limits\.p.*", "bot.py")
    assert "desk.risk.Limits.price is a property; write its name out to watch it" in ended.err
    named = desk.run("-i", r"desk\.risk\.Limits\.price", "bot.py")
    assert named.err == ""
    assert set(desk.stored_names()) == {"desk.risk.Limits.price"}


# ── options of a pattern ────────────────────────────────────────────────────────────────────────

TABLES = r"""
    include = ['bot\.main']

    [[instrument]]
    pattern = 'bot\.work'
    {}
    """


@pytest.mark.parametrize(
    ("option", "spans", "arguments"),
    [
        ("", 4, [0, 1, 2, 3]),
        ("sample_rate = 0.0", 0, []),
        ("sample_rate = 0.0\nslow = '0s'", 4, [0, 1, 2, 3]),
        ("min_duration = '10m'", 0, []),
        ("capture = { args = false }", 4, []),
        ("capture = false", 4, []),
        ("sensitive_fields = ['number']", 4, ["***"] * 4),
    ],
)
def test_options_of_a_pattern_hold_in_a_run(
    desk: Desk, option: str, spans: int, arguments: list[object]
) -> None:
    desk.write("tradespan.toml", TABLES.format(option.replace("\n", "\n    ")))
    ended = desk.run("bot.py")
    assert (ended.status, ended.err) == (0, "")
    work = [span for span in desk.stored() if span.name == "bot.work"]
    assert len(work) == spans
    shown = [span.attributes.get("tradespan.args.number") for span in work]
    assert [value for value in shown if value is not None] == arguments


def test_group_and_durability_of_a_pattern_hold_in_a_run(desk: Desk) -> None:
    desk.write("tradespan.toml", TABLES.format('process_group = "work"\n    durable = true'))
    assert desk.run("bot.py").status == 0
    work = [span for span in desk.stored() if span.name == "bot.work"]
    assert {span.group for span in work} == {"work"}


def test_options_of_a_pattern_hold_after_configure_in_code(desk: Desk) -> None:
    desk.write("tradespan.toml", TABLES.format("sample_rate = 0.0"))
    desk.write(
        "coded.py",
        """
        import tradespan
        tradespan.configure(root="root", service="coded")
        import bot
        tradespan.instrument(bot.work, sample_rate=1.0, process_group="by code")
        bot.work(7)
        tradespan.uninstrument()
        bot.work(8)
        """,
    )
    ended = desk.python("coded.py")
    assert (ended.status, ended.err) == (0, "")
    assert desk.stored_numbers() == [7]
