"""What a user may get wrong: one precise message each, and the bot's own behaviour otherwise."""

from __future__ import annotations

import re
import socket

import pytest

from tests.contract.desk import PATIENCE, Desk

BOT = """
    class Strategy:
        def decide(self, number):
            return number

    def work(number):
        return Strategy().decide(number)

    print(work(3))
    """


@pytest.fixture
def bot(desk: Desk) -> str:
    desk.write("bot.py", BOT)
    return "bot.py"


# ── patterns ────────────────────────────────────────────────────────────────────────────────────


def test_pattern_that_does_not_compile_is_shown_with_a_caret(desk: Desk, bot: str) -> None:
    ended = desk.run("-i", r"bot\.(work", bot)
    assert (ended.status, ended.out) == (2, "")
    message, pattern, caret = ended.err.splitlines()
    assert message.startswith("tradespan: Invalid regular expression for include (option -")
    assert "at position 5" in message
    assert pattern == r"  bot\.(work"
    assert caret.index("^") == pattern.index("(")
    assert not desk.root.exists()


def test_pattern_that_matches_nothing_is_warned_of_with_near_names(desk: Desk, bot: str) -> None:
    ended = desk.run("-i", r"bot\.Stratgy\.decide", bot)
    assert (ended.status, ended.out) == (0, "3\n")
    (line,) = ended.err.splitlines()
    assert line.startswith(r"tradespan: ")
    assert r"bot\.Stratgy\.decide" in line.replace("\\\\", "\\")
    assert "bot.Strategy.decide" in line


@pytest.mark.parametrize("status", [0, 3])
def test_pattern_that_matches_nothing_leaves_the_bots_status(desk: Desk, status: int) -> None:
    desk.write("bot.py", f"import sys\ndef work(): pass\nsys.exit({status})\n")
    ended = desk.run("-i", r"nobody\..*", "bot.py")
    assert ended.status == status
    assert "nobody" in ended.err


def test_one_pattern_of_two_that_matches_nothing_is_named(desk: Desk, bot: str) -> None:
    ended = desk.run("-i", r"bot\.work", "-i", r"bot\.wrk", bot)
    assert ended.status == 0
    assert ended.err.count("tradespan:") == 1
    assert "wrk" in ended.err
    assert desk.stored_names() == ["bot.work"]


def test_a_script_that_fails_at_once_is_not_told_that_its_name_is_no_module(desk: Desk) -> None:
    ended = desk.run("-i", "bot", desk.write("bot.py", "raise SystemExit(3)\n"))
    assert ended.status == 3
    assert ended.err == "tradespan: the pattern 'bot' matched no function\n"


# ── targets ─────────────────────────────────────────────────────────────────────────────────────


def test_missing_script_is_named_with_a_near_one(desk: Desk, bot: str) -> None:
    ended = desk.run("bott.py")
    assert ended.status == 2
    assert ended.err == "tradespan: There is no script bott.py; did you mean bot.py?\n"
    assert not desk.root.exists()


@pytest.mark.parametrize("program", [["bot.py"], ["-m", "bot"]])
def test_an_interpreter_before_the_program_is_not_needed(
    desk: Desk, bot: str, program: list[str]
) -> None:
    ended = desk.run("python3", *program, "5")
    assert ended.status == 2
    meant = " ".join(program)
    assert ended.err == f"tradespan: There is no script python3; did you mean {meant}?\n"


def test_missing_module_is_named(desk: Desk, bot: str) -> None:
    ended = desk.run("-m", "nosuchmodule")
    assert ended.status != 0
    assert "There is no module nosuchmodule" in ended.err
    assert "Traceback" not in ended.err


def test_nothing_to_run_says_what_is_missing(desk: Desk) -> None:
    ended = desk.run()
    assert ended.status == 2
    assert ended.err.startswith("tradespan run: name a script or -m MODULE, as in: tradespan run")


def test_an_option_that_is_none_is_told_from_the_programs(desk: Desk, bot: str) -> None:
    ended = desk.run("--bogus", bot)
    assert ended.status == 2
    assert ended.err.startswith("tradespan run: there is no option --bogus; what is for the prog")


@pytest.mark.parametrize(
    "text",
    [
        'def work(number):\n    return {}[number]\n\ntry:\n    work(1)\nexcept KeyError as error:\n'
        '    raise RuntimeError("the order is lost") from error\n',
        "def work(number):\n    return number +\n",
        "raise ExceptionGroup('two', [ValueError(1), TypeError('x')])\n",
        "import sys\nsys.exit('words for stderr')\n",
        "def work():\n    import nosuchmodule\nwork()\n",
        "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd\n",
    ],
    ids=["chain", "syntax", "group", "exit", "import", "odd"],
)  # fmt: skip
def test_script_that_raises_ends_as_under_bare_python(desk: Desk, text: str) -> None:
    bot = desk.write("bot.py", text)
    bare = desk.python(bot)
    ended = desk.run(bot)
    assert (ended.status, ended.out, ended.err) == (bare.status, bare.out, bare.err)


def test_traceback_of_watched_functions_is_that_of_bare_python(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import helper

        class Order:
            def send(self, price):
                return helper.convert(price)

        def work(number):
            try:
                return Order().send(number)
            except ValueError as error:
                raise RuntimeError("no order") from error

        work("12a")
        """,
    )
    desk.write("helper.py", "def convert(text):\n    return int(text)\n")
    bare = desk.python(bot)
    ended = desk.run("-i", r"bot\..*", "-i", r"helper\..*", bot)
    assert ended.status == bare.status == 1
    assert ended.err == bare.err
    assert desk.stored_names() == ["bot.Order.send", "bot.work", "helper.convert"]
    assert {span.status for span in desk.stored()} == {"ERROR"}
    (root,) = (span for span in desk.stored() if not span.parent_id)
    (event,) = root.events
    assert event.attributes["exception.type"] == "RuntimeError"
    assert 'helper.py", line 2, in convert' in event.attributes["exception.stacktrace"]


# ── settings ────────────────────────────────────────────────────────────────────────────────────


def test_unknown_setting_in_the_file_is_named_with_line_and_near_match(
    desk: Desk, bot: str
) -> None:
    desk.write("tradespan.toml", '[service]\nname = "x"\n\n[spool]\nbites = "1 GiB"\n')
    ended = desk.run(bot)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == (
        "tradespan: Unknown setting: tradespan.toml:5 spool.bites; did you mean spool.bytes?\n"
    )


def test_unknown_setting_in_the_environment_is_named_with_near_match(desk: Desk, bot: str) -> None:
    ended = desk.run(bot, environment={"TRADESPAN_DRIAN": "3s"})
    assert "TRADESPAN_DRIAN" in ended.err
    assert "TRADESPAN_DRAIN" in ended.err
    assert ended.err.count("\n") == 1
    assert (ended.status, ended.out) == (2, "")


def test_unknown_option_is_named(desk: Desk, bot: str) -> None:
    ended = desk.run("--drian", "3s", bot)
    assert (ended.status, ended.out) == (2, "")
    assert "--drian" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--drain", "soon"], "soon"),
        (["--port", "http"], "http"),
        (["--endpoint", "localhost:4318"], "localhost:4318"),
        (["--mode", "dream"], "dream"),
    ],
)
def test_value_that_a_setting_does_not_accept_is_named(
    desk: Desk, bot: str, words: list[str], told: str
) -> None:
    ended = desk.run(*words, bot)
    assert (ended.status, ended.out) == (2, "")
    assert told in ended.err
    assert "Traceback" not in ended.err


# ── ports ───────────────────────────────────────────────────────────────────────────────────────


def test_busy_port_gives_way_to_the_next_free_one_which_is_printed(desk: Desk) -> None:
    desk.write("bot.py", "import sys\nprint('ready', flush=True)\nsys.stdin.read()\n")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        run = desk.start_run("--ui", "--port", str(port), "bot.py")
        assert run.line() == "ready"
        link = run.wait_for_err(r"UI at http://127\.0\.0\.1:(\d+)/\?token=\S+")
        assert port < int(link[1]) <= port + 20
    assert run.end(PATIENCE).status == 0


def test_port_beyond_all_ports_is_refused(desk: Desk, bot: str) -> None:
    ended = desk.run("--ui", "--port", "70000", bot)
    assert ended.status == 2
    assert re.search(r"70000.*65535", ended.err.replace(",", ""))
