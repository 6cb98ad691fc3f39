"""Starts the demo exchange as a child process and ends it again."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

EXAMPLES: Final = Path(__file__).resolve().parents[1]
SECONDS_TO_START: Final = 20.0
SECONDS_TO_END: Final = 2.0


class ExchangeStartError(Exception):
    """The exchange ended, or said nothing, before it was ready."""


@asynccontextmanager
async def local_exchange(seed: int) -> AsyncIterator[str]:
    """Run an exchange for the time of the block; gives its address.

    Raises:
        ExchangeStartError: it did not come up; its own words are on stderr.
    """
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(EXAMPLES)]))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo_exchange", "--seed", str(seed), "--parent", str(os.getpid())),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C is for the bot; it ends the exchange after its last order
    )
    try:
        yield await read_address(process)
    finally:
        await end(process)


async def read_address(process: asyncio.subprocess.Process) -> str:
    """Wait for the line with which the exchange says that it is ready."""
    try:
        async with asyncio.timeout(SECONDS_TO_START):
            line = await process.stdout.readline() if process.stdout else b""
    except TimeoutError:
        raise ExchangeStartError(
            f"the exchange was not ready after {SECONDS_TO_START:.0f} s"
        ) from None
    if not line:
        raise ExchangeStartError("the exchange ended before it was ready")
    return line.decode().strip()


async def end(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, and make it if it does not."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(SECONDS_TO_END):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
