"""A page's examples, run one after the other in a home directory of their own.

What a page says that a command prints is compared with what it prints. Whatever differs from run to
run stands for any of its kind: ids, dates and times, durations, bars, sizes of a disk, process ids.
A line with nothing but `…` stands for any lines. `~` is the home directory.

A page's trace ids are replaced in its later commands by those of this run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import Block, read_commands

LONGEST = 60.0
"""Seconds that one command may take."""

_ANY_OF_ITS_KIND = {
    "run": r"\d{8}T\d{6}\.\d{6}Z-[\w.-]+-\d+",
    "size": r"\d[\d.,]* (?:B|kB|MB)\b",
    "writer": r"\d+ (?:alive|dead)\b",
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d\d:\d\d:\d\d(?:\.\d+)?",
    "id": r"\b(?:[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8})\b",
    "duration": r"\d[\d.,]* ?(?:ns|µs|ms|s|min)\b",
    "disk": r"\d[\d.,]* GB",
    "process": r"process \d+",
    "bar": r"[ ]*[▏▎▍▌▋▊▉█]+",
}
_TOKENS = re.compile("|".join(f"(?P<{kind}>{text})" for kind, text in _ANY_OF_ITS_KIND.items()))
_ID = re.compile(_ANY_OF_ITS_KIND["id"])


class Session:
    """The shell of somebody who follows a page."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.directory = home / "bot"
        self.directory.mkdir(parents=True)
        self._ids: dict[str, str] = {}
        """The page's ids → this run's."""

    def follow(self, block: Block) -> str:
        """Do what an example says: save it, run it, compare; returns what is wrong with it."""
        if block.file:
            path = self.directory / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "python" and not block.not_run:
            status, printed = self._run([sys.executable, "-c", block.text])
            return printed if status else ""
        elif block.language == "console" and not block.not_run:
            wrong = (self._compare(command, said) for command, said in read_commands(block))
            return next(filter(None, wrong), "")
        return ""

    def _compare(self, command: str, said: list[str]) -> str:
        _, printed = self._run(["bash", "-c", self._with_our_ids(command)])
        printed = printed.replace(str(self.home), "~")
        match = re.fullmatch("".join(map(pattern_of, said)), printed)
        expected = "\n".join(said)
        if match is None:
            return f"$ {command}\n── prints\n{printed}── the page says\n{expected}"
        self._ids.update(zip(_ID.findall(expected), match.groups(), strict=True))
        return ""

    def _with_our_ids(self, command: str) -> str:
        for theirs, ours in self._ids.items():
            command = re.sub(rf"\b{theirs[:8]}[0-9a-f]*\b", ours, command)
        return command

    def _run(self, command: list[str]) -> tuple[int, str]:
        programs = Path(sys.executable).parent
        environment = {
            "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }
        run = subprocess.run(
            command,
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        return run.returncode, run.stdout


def pattern_of(line: str) -> str:
    """The expression that a printed line has to match, line break included."""
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    pieces, at = [], 0
    for token in _TOKENS.finditer(line):
        pieces += [_literal(line[at : token.start()]), _any(str(token.lastgroup))]
        at = token.end()
    return "".join([*pieces, _literal(line[at:].rstrip()), r"[ ]*\n"])


def _any(kind: str) -> str:
    if kind == "bar":
        return r"[ ▏▎▍▌▋▊▉█]*"
    return f"({_ANY_OF_ITS_KIND[kind]})" if kind == "id" else f"(?:{_ANY_OF_ITS_KIND[kind]})"


def _literal(text: str) -> str:
    """Columns are as wide as this run's longest cell: any number of spaces stands for any."""
    return "[ ]+".join(re.escape(part) for part in re.split(r"[ ]+", text))
