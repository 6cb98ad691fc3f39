"""A WSGI application whose answers acknowledge recorded calls, and a client that keeps count."""

from __future__ import annotations

import http.client
import os
import signal
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from tests.contract.desk import Desk, Program, eventually

SOURCE = str(Path(__file__).resolve().parents[2] / "src")

APPLICATION = """
    import os
    {head}

    {decorator}
    def handle(number):
        return number

    def app(environ, start_response):
        handle(int(environ["QUERY_STRING"]))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % os.getpid()]
    """


class Web:
    """A gunicorn that serves the application, and what it has acknowledged."""

    def __init__(self, desk: Desk, program: Program) -> None:
        self.program = program
        found = program.wait_for_err(r"Listening at: http://127\.0\.0\.1:(\d+)")
        self.port = int(found[1])
        self.answered: dict[int, int] = {}
        """Number → process id of the worker that answered."""
        self.asked = 0
        self._desk = desk

    def ask(self) -> int:
        """One request, asked again until it is answered. Returns the worker's process id."""

        def attempt() -> int | None:
            number = self.asked
            self.asked += 1
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                try:
                    connection.request("GET", f"/?{number}")
                    answer = connection.getresponse()
                    said = answer.read()
                finally:
                    connection.close()
                if answer.status == 200:
                    self.answered[number] = int(said)
                    return int(said)
            return None

        return eventually(attempt, "an answer")

    def ask_until(self, workers: int, *, beside: set[int] | None = None) -> set[int]:
        """Ask until so many workers, none of them in `beside`, have answered."""
        seen: set[int] = set()

        def look() -> bool:
            pid = self.ask()
            if pid not in (beside or set()):
                seen.add(pid)
            return len(seen) >= workers

        eventually(look, f"{workers} workers")
        return seen

    @property
    def master(self) -> psutil.Process:
        """The process that forks the workers."""
        worker = psutil.Process(self.ask())
        parent = worker.parent()
        assert parent is not None
        return parent

    def kill_a_worker(self) -> int:
        """`kill -9` for whoever answers next."""
        pid = self.ask()
        os.kill(pid, signal.SIGKILL)
        return pid

    def check(self) -> None:
        """All that was answered is stored once, each process under an instance id of its own."""
        stored = eventually(self._all_stored, f"{len(self.answered)} calls in the store")
        assert len(set(stored)) == len(stored)
        # A worker that was killed may have recorded what it did not come to answer.
        assert set(stored) <= set(range(self.asked))
        instances = defaultdict(set)
        for span in self._desk.stored():
            instances[int(str(span.resource["process.pid"]))].add(
                str(span.resource["service.instance.id"])
            )
        assert instances.keys() >= set(self.answered.values())
        assert all(len(each) == 1 for each in instances.values()), instances
        assert len(set().union(*instances.values())) == len(instances)

    def _all_stored(self) -> list[int] | None:
        stored = self._desk.stored_numbers()
        return stored if self.answered.keys() <= set(stored) else None
