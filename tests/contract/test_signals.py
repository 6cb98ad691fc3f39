"""Signals, exit statuses, and what else passes through the supervisor."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.contract.desk import Desk, Program, eventually

# Tells each signal that reaches it, and ends with 7 when it is told to.
BOT = """
    import os, signal, sys, threading

    told = []
    woken = threading.Event()
    reading, writing = os.pipe()

    def tell(number, frame):
        os.write(writing, bytes([number]))

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, tell)
    print("ready", flush=True)
    while True:
        number = os.read(reading, 1)[0]
        print(signal.Signals(number).name, flush=True)
        if number == signal.SIGUSR2:
            sys.exit(7)
    """


@pytest.fixture
def run(desk: Desk) -> Program:
    run = desk.start_run(desk.write("bot.py", BOT))
    assert run.line() == "ready"
    return run


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signal_to_the_supervisor_reaches_the_bot_once(run: Program, name: str) -> None:
    run.send(signal.Signals[name])
    assert run.line() == name
    run.send(signal.SIGUSR2)
    ended = run.end()
    assert (ended.status, ended.out, ended.err) == (7, "SIGUSR2\n", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_to_the_whole_group_reaches_the_bot_once(run: Program, name: str) -> None:
    os.killpg(os.getpgid(run.pid), signal.Signals[name])
    assert run.line() == name
    # Whatever the supervisor had to pass on, it has passed on before this one.
    run.send(signal.SIGUSR2)
    ended = run.end()
    assert (ended.status, ended.out) == (7, "SIGUSR2\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGINT"])
def test_bot_killed_by_a_signal_gives_128_and_its_number(desk: Desk, name: str) -> None:
    text = "import os, signal\nos.kill(os.getpid(), signal.{})\n"
    if name == "SIGINT":
        text = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n" + text
    bot = desk.write("bot.py", text.format(name))
    assert desk.run(bot).status == 128 + signal.Signals[name]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("import sys; sys.exit(0)", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('bye')", 1),
        ("import os; os._exit(255)", 255),
        ("raise KeyboardInterrupt", 130),
        ("raise SystemExit", 0),
    ],
)
def test_exit_status_is_the_bots(desk: Desk, text: str, status: int) -> None:
    assert desk.run(desk.write("bot.py", text)).status == status


def test_signals_that_the_caller_ignores_stay_ignored_in_the_bot(desk: Desk) -> None:
    """As under nohup."""
    bot = desk.write(
        "bot.py", "import signal\nprint(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)\n"
    )
    ignoring = f"import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); {EXECUTE}"
    ended = desk.start(sys.executable, "-c", ignoring, *run_command(desk, bot)).end()
    assert ended.out == "True\n"


EXECUTE = "os.execv(sys.argv[1], sys.argv[1:])"


def run_command(desk: Desk, *words: object) -> list[str]:
    return [sys.executable, "-m", "tradespan", "run", "--root", str(desk.root), *map(str, words)]


def test_no_signal_is_blocked_in_the_bot(desk: Desk) -> None:
    bot = desk.write("bot.py", "import signal\nprint(signal.pthread_sigmask(0, []))\n")
    assert desk.run(bot).out == "set()\n"


def test_second_ctrl_c_ends_the_waiting_for_a_receiver_not_the_books(desk: Desk) -> None:
    """The end waits up to `--drain`; who does not want to wait interrupts once more."""
    bot = desk.write("bot.py", "def work(number): pass\nwork(1)\nprint('ends', flush=True)\n")
    store = desk.root / "store.db"
    store.parent.mkdir()
    store.mkdir()  # no store can be opened here, and it is waited for
    run = desk.start_run("-i", r"bot\.work", "--drain", "60s", bot)
    assert run.line() == "ends"
    eventually(lambda: desk.folder_of_run.ended, "the bot's end")
    run.send(signal.SIGINT)
    ended = run.end()
    assert ended.status == 0
    assert "nobody has closed the books of this run" in ended.err


def test_stdin_stdout_and_stderr_pass_through(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import sys
        data = sys.stdin.buffer.read()
        sys.stdout.buffer.write(data[::-1])
        print(len(data), file=sys.stderr)
        """,
    )
    run = desk.start_run(bot)
    assert run.process.stdin is not None
    run.process.stdin.write(b"\x00line\n" * 1000)
    ended = run.end()
    assert ended.out == "\nenil\x00" * 1000
    assert (ended.status, ended.err) == (0, "6000\n")


@pytest.mark.parametrize(
    "words",
    [
        ["-i", "x", "--ui", "-m", "y"],
        ["--", "--root", "elsewhere"],
        ["--help"],
        ["--version"],
        ["run", "-i", "("],
        ["", " ", "a b", "ü", "--endpoint=x"],
    ],
    ids=repr,
)
def test_arguments_after_the_script_are_the_scripts_own(desk: Desk, words: list[str]) -> None:
    bot = desk.write("bot.py", "import sys\nprint(sys.argv)\n")
    ended = desk.run(bot, *words)
    assert (ended.status, ended.out, ended.err) == (0, f"{[str(bot), *words]}\n", "")


def test_arguments_after_the_module_are_the_modules_own(desk: Desk) -> None:
    path = desk.write("package/__main__.py", "import sys\nprint(sys.argv, __name__)\n")
    ended = desk.run("-m", "package", "-m", "other", "-i", "(")
    told = [str(path), "-m", "other", "-i", "("]
    assert (ended.status, ended.out, ended.err) == (0, f"{told} __main__\n", "")


def test_supervisor_is_small_and_has_no_threads(run: Program, desk: Desk) -> None:
    desk.children(run)
    process = psutil.Process(run.pid)
    assert process.num_threads() == 1
    status = f"/proc/{run.pid}/status"
    if not os.path.exists(status):  # noqa: PTH110 - /proc is no place for paths
        pytest.skip("no /proc here: the peak of its memory is not to be seen")
    with open(status) as file:  # noqa: PTH123
        (peak,) = (int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    run.send(signal.SIGUSR2)
    assert peak <= 15 * 1024, f"{peak} KiB"


def test_agent_stands_back_behind_the_bot(run: Program, desk: Desk) -> None:
    bot, agent = desk.children(run)
    eventually(desk.agent, "the agent's lock")
    assert os.getsid(agent.pid) == agent.pid != os.getsid(bot.pid)
    eventually(lambda: agent.nice() == 10, "nice 10")
    eventually(lambda: os.sched_getscheduler(agent.pid) == os.SCHED_BATCH, "batch scheduling")
    assert bot.nice() == psutil.Process().nice()
    if not os.path.exists("/proc/self/oom_score_adj"):  # noqa: PTH110
        pytest.skip("no oom_score_adj here")
    score = Path(f"/proc/{agent.pid}/oom_score_adj")
    eventually(lambda: int(score.read_text()) == 500, "the kernel to end it first")
    with open(f"/proc/{bot.pid}/oom_score_adj") as file:  # noqa: PTH123
        assert int(file.read()) != 500
    assert os.getpgid(agent.pid) != os.getpgid(bot.pid)
