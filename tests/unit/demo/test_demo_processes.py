"""Exchange and bot as the processes that a user starts."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

SECONDS_TO_END = 20

Environment = dict[str, str]


def run(environment: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_TO_END,
        check=False,
    )


def test_bot_trades_for_the_time_given_and_ends_well(environment: Environment) -> None:
    done = run(environment, "-m", "momentum_bot", "--for", "3", "--seed", "7")

    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    counts = {name: int(n) for n, name in re.findall(r"(\d+) ([a-z]+)\b", done.stderr)}
    assert counts["ticks"] > 30
    assert counts["orders"] >= 1
    assert counts["fills"] >= 1
    assert done.stderr.startswith("momentum_bot: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_quiet_bot_with_status_0_and_no_word(
    environment: Environment, number: signal.Signals
) -> None:
    async def stop_bot_once_it_has_logged_on() -> tuple[int, bytes]:
        logged_on = asyncio.Event()

        async def hold_session(connection: ServerConnection) -> None:
            assert json.loads(await connection.recv())["msg_type"] == "logon"
            logged_on.set()
            await connection.wait_closed()

        async with serve(hold_session, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            bot = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "momentum_bot", "--exchange", url, "--quiet"),
                env=environment,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(SECONDS_TO_END):
                await logged_on.wait()
                bot.send_signal(number)
                _, said = await bot.communicate()
            assert bot.returncode is not None
            return bot.returncode, said

    assert asyncio.run(stop_bot_once_it_has_logged_on()) == (0, b"")


def test_bot_says_why_it_cannot_run(environment: Environment) -> None:
    done = run(environment, "-m", "momentum_bot", "--exchange", "localhost:80")

    assert done.returncode == 2
    assert "does not begin with ws://" in done.stderr


def test_exchange_announces_itself_and_ends_on_sigterm(
    environment: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "address"
    with subprocess.Popen(
        [sys.executable, "-m", "demo_exchange", "--announce", str(file)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as exchange:
        assert exchange.stdout
        address = exchange.stdout.readline()
        exchange.terminate()
        assert exchange.wait(SECONDS_TO_END) == 0

    assert re.fullmatch(r"ws://127\.0\.0\.1:\d+\n", address)
    assert file.read_text() == address


def test_exchange_on_a_busy_port_says_so(environment: Environment) -> None:
    async def start_on_taken_port() -> subprocess.CompletedProcess[str]:
        async with serve(lambda _: asyncio.Future[None](), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.to_thread(
                run, environment, "-m", "demo_exchange", "--port", str(port)
            )

    done = asyncio.run(start_on_taken_port())

    assert done.returncode == 1
    assert done.stderr.startswith("demo_exchange: ")
    assert "address already in use" in done.stderr


def test_exchange_ends_when_its_parent_is_killed(environment: Environment) -> None:
    start = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'demo_exchange'])"
    with subprocess.Popen(
        [sys.executable, "-c", start], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline().startswith("ws://")
        parent.kill()

        # The exchange holds the other end of the pipe: it is at its end when the exchange is.
        rest, _ = parent.communicate(timeout=SECONDS_TO_END)

    assert rest == ""


@pytest.mark.parametrize(
    ("module", "stranger"), [("momentum_bot", "tradespan"), ("demo_exchange", "plotly")]
)
def test_demo_does_not_import(environment: Environment, module: str, stranger: str) -> None:
    done = run(
        environment, "-c", f"import {module}.__main__, sys; print('{stranger}' in sys.modules)"
    )

    assert done.stdout == "False\n"
