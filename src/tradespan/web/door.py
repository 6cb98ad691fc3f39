"""The way to the store from an event loop: its queries block, so they run in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tradespan.store.store import Store

T = TypeVar("T")

READERS = 2
"""Queries at a time. Each holds an SQLite connection with a page cache of some MiB."""


class StoreDoor:
    """Opens the store when it is first needed, and again after it could not be opened.

    Closing the store is the affair of whoever gave `open_store`.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="tradespan-web")

    async def ask(self, question: Callable[[Store], T]) -> T:
        """The answer of the store.

        Raises:
            StoreError: The store cannot be opened or read.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self.ask_blocking, question)

    def ask_blocking(self, question: Callable[[Store], T]) -> T:
        """The same for callers that may block."""
        with self._lock:
            store = self._store
            if store is None:
                store = self._store = self._open_store()
        return question(store)

    def close(self) -> None:
        """Wait for what is being asked, take nothing new."""
        self._threads.shutdown()
