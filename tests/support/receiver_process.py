"""The receiver as a process of its own, which a test can stop and start again beside its bot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

_REPOSITORY = Path(__file__).resolve().parents[2]


class ReceiverProcess:
    """Runs between `start` and `stop` or `kill`, any number of times, always on the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`folder`: where its files go. `options`: of its command line, as `--refuse 503`."""
        self.port = 0
        self.out = folder / "received.jsonl"
        self._announced = folder / "receiver.address"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def address(self) -> str:
        """Scheme, host and port: what `OTEL_EXPORTER_OTLP_ENDPOINT` takes."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The complete address for traces."""
        return f"{self.address}/v1/traces"

    @property
    def spans(self) -> list[dict[str, Any]]:
        """Every span taken so far, over all its lives."""
        if not self.out.exists():
            return []
        whole = self.out.read_bytes().rpartition(b"\n")[0]  # a killed one may leave half a line
        return [json.loads(line) for line in whole.splitlines()]

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            AssertionError: It ended instead.
        """
        assert self._process is None, "it is running"
        self._announced.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.support.receiver", "--port", str(self.port)]
        command += ["--announce", str(self._announced), "--out", str(self.out), *self._options]
        process = self._process = subprocess.Popen(command, cwd=_REPOSITORY)
        while not self._announced.exists():
            try:
                status = process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"the receiver ended with {status}")
        self.port = int(self._announced.read_text().rpartition(":")[2])

    def stop(self) -> int:
        """End it with SIGTERM; its exit status."""
        assert self._process is not None, "it is not running"
        process, self._process = self._process, None
        process.terminate()
        return process.wait(10)

    def kill(self) -> None:
        """End it with SIGKILL, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
