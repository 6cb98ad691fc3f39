"""Stores and folders that cannot be used: the bot runs, and is told so once."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.desk import TRADESPAN, Desk, Ended, announced_command, make_newer
from tradespan.store.connections import SCHEMA_VERSION

BOT = """
    import sys

    def work(number):
        return number

    for number in range(int(sys.argv[1])):
        work(number)
    print("done")
    sys.exit(4)
    """


@pytest.fixture
def bot(desk: Desk) -> Path:
    return desk.write("bot.py", BOT)


def test_store_of_a_newer_version_is_left_untouched_and_the_bot_runs(desk: Desk, bot: Path) -> None:
    words = ("-i", r"bot\.work", bot, "100")
    assert desk.run(*words).status == 4
    content = make_newer(desk.store)

    ended = desk.run(*words)
    assert (ended.status, ended.out) == (4, "done\n")
    refused, waits = ended.err.splitlines()
    assert refused.startswith(f"tradespan: The store {desk.store} has schema 99, this tradespan")
    assert waits.startswith(f"tradespan: 100 spans wait for the store {desk.store} in ")
    assert desk.store.read_bytes() == content
    assert [path.name for path in desk.root.glob("store.db*")] == ["store.db"]

    # Nothing is lost: with a store that can be used, the printed command delivers it.
    again = desk.tradespan(*announced_command(ended.err))
    assert again.status == 1
    assert "has schema 99" in again.err
    with desk.store.open("r+b") as file:
        file.seek(60)
        file.write(SCHEMA_VERSION.to_bytes(4, "big"))
    assert desk.tradespan(*announced_command(ended.err)).status == 0
    assert desk.stored_numbers() == sorted([*range(100), *range(100)])


@pytest.mark.parametrize("command", [["traces"], ["ui"], ["trace", "abcd"]], ids=lambda c: c[0])
def test_commands_refuse_a_newer_store(desk: Desk, bot: Path, command: list[str]) -> None:
    desk.run("-i", r"bot\.work", bot, "1")
    content = make_newer(desk.store)
    ended = desk.tradespan(*command, "--store", desk.store)
    assert ended.status != 0
    assert "has schema 99" in ended.err
    assert "Traceback" not in ended.err
    assert desk.store.read_bytes() == content


def test_root_that_cannot_be_made_lets_the_bot_run_unrecorded(desk: Desk, bot: Path) -> None:
    desk.root = desk.write("file", "") / "root"
    ended = desk.run("-i", r"bot\.work", bot, "1")
    assert (ended.status, ended.out) == (4, "done\n")
    assert ended.err == (
        f"tradespan: The spool directory {desk.root} (option --root) cannot be used:"
        f" {desk.root.parent} is a file, not a folder. The program runs, unrecorded.\n"
    )


@pytest.mark.parametrize("option", ["--root", "--spool", "environment TRADESPAN_ROOT"])
def test_file_that_is_named_as_a_folder_is_told_with_who_named_it(
    desk: Desk, bot: Path, option: str
) -> None:
    desk.root = taken = desk.write("taken", "a file")
    given = {"TRADESPAN_ROOT": str(taken)} if option.startswith("env") else {}
    command = [*TRADESPAN.split(), "run", *([] if given else [option, taken]), bot, "1"]
    ended = desk.start(*map(str, command), environment=given).end()
    origin = option if given else f"option {option}"
    assert (ended.status, ended.out) == (4, "done\n")
    assert ended.err == (
        f"tradespan: The spool directory {taken} ({origin}) cannot be used: it is a file, not a"
        " folder. The program runs, unrecorded.\n"
    )


def test_root_of_another_user_is_refused_and_the_bot_runs(desk: Desk, bot: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    desk.root.mkdir()
    os.chown(desk.root, 65534, 65534)
    ended = desk.run("-i", r"bot\.work", bot, "1")
    assert (ended.status, ended.out) == (4, "done\n")
    assert "belongs to user 65534" in ended.err
    assert list(desk.root.iterdir()) == []


def in_tmpfs(desk: Desk, options: str, command: str) -> Ended:
    """Run a shell command with a tmpfs of its own at the root."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("needs Linux and unshare, to mount a file system of its own")
    desk.root.mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o {options},mode=700 tmpfs {shlex.quote(str(desk.root))}"
    probe = ["unshare", "-m", "sh", "-c", mount]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tmpfs is not permitted here")
    return desk.start("unshare", "-m", "sh", "-c", f"{mount} && {command}").end()


def test_read_only_root_lets_the_bot_run_with_one_warning(desk: Desk, bot: Path) -> None:
    ended = in_tmpfs(
        desk, "ro", f"{TRADESPAN} run --root {desk.root} -i 'bot\\.work' {bot} 100"
    )  # fmt: skip
    assert (ended.status, ended.out) == (4, "done\n")
    (line,) = ended.err.splitlines()
    assert "Read-only file system" in line
    assert "unrecorded" in line


def test_disk_that_fills_up_lets_the_bot_run_on_with_one_warning(desk: Desk, bot: Path) -> None:
    # Without a floor: what it costs is tested in test_small_disk.py.
    run = f"TRADESPAN_SPOOL_FREE=0 {TRADESPAN} run --root {desk.root} --no-store"
    run += " --endpoint http://127.0.0.1:9"
    run = f"TRADESPAN_QUEUE_WARNING_THRESHOLD=100000 {run}"
    ended = in_tmpfs(
        desk,
        "size=1m",
        f"{run} -i 'bot\\.work' {bot} 20000; status=$?; ls -l {desk.root}/runs/*; exit $status",
    )
    assert ended.status == 4
    assert ended.out.startswith("done\n")
    assert ended.out.count(".seg\n") >= 1
    warnings = [line for line in ended.err.splitlines() if "cannot be written" in line]
    assert len(warnings) == 1
    assert "the bot runs on" in warnings[0]
    assert "No space left on device" in warnings[0]
    assert "Traceback" not in ended.err
    rest = [line for line in ended.err.splitlines() if line not in warnings]
    if "nobody has closed the books" in rest[0]:
        assert len(rest) == 1, "\n".join(rest)
        return
    assert len(rest) == 2, "\n".join(rest)
    assert " wait for http://" in rest[0]
    # What memory held when the bot ended, and the disk did not take, is gone: it is said.
    assert re.search(r"[\d,]+ records discarded before anybody had them: \w+$", rest[1])


def test_disk_that_is_full_from_the_start_lets_the_bot_run(desk: Desk, bot: Path) -> None:
    fill = f"dd if=/dev/zero of={desk.root}/filler bs=4096 2>/dev/null"
    run = f"{TRADESPAN} run --root {desk.root} -i 'bot\\.work' {bot} 500"
    ended = in_tmpfs(desk, "size=1m", f"{{ {fill}; {run}; }}")
    assert (ended.status, ended.out) == (4, "done\n")
    assert "Traceback" not in ended.err
    assert "(option --root) cannot be used: its disk is full (No space left on" in ended.err
    assert ended.err.count("\n") == 1


def test_disk_that_gets_space_again_has_lost_nothing(desk: Desk) -> None:
    """What waits in memory while the disk is full is written once there is space."""
    bot = desk.write(
        "bot.py",
        """
        import os, sys
        root = sys.argv[1]

        def work(number):
            return number

        def fill():
            with open(f"{root}/filler", "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass

        work(0)
        fill()
        for number in range(1, 5000):
            work(number)
        os.unlink(f"{root}/filler")
        print("done")
        """,
    )
    run = f"TRADESPAN_SPOOL_FREE=0 {TRADESPAN} run --root {desk.root}"
    run += f" --store {desk.folder}/store.db --max-overhead 0 -i 'bot\\.work'"
    ended = in_tmpfs(desk, "size=2m", f"{run} {bot} {desk.root}")
    assert (ended.status, ended.out) == (0, "done\n")
    desk.root = desk.folder
    assert desk.stored_numbers() == list(range(5000))
    assert ended.err.count("\n") == 1
    assert "the bot runs on" in ended.err
