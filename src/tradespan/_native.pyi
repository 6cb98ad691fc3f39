# What native/*.c give; the same in Python stands where each comment says.

from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any, final

INTERFACE: int
HAS_CRC32C: int

def crc32c(data: bytes | memoryview, seed: int, /) -> int: ...  # spool/checksums.py

@final
class Place:  # spool/segment.py
    def __init__(self, mapping: Any, position: int) -> None: ...
    def write(self, frame: bytes, /) -> int: ...
    def close(self) -> int: ...

@final
class Lane:  # spool/lane.py
    def __init__(
        self,
        lane: int,
        counter: memoryview,
        encode: Callable[[tuple[Any, ...]], bytes],
        slow: Callable[[int, bytes], None],
        too_long: type[Exception],
        checksum: int = ...,
        seed: int = ...,
    ) -> None: ...
    def append(self, kind: int, site: int, payload: bytes, /) -> None: ...
    def record(self, kind: int, site: int, fields: tuple[Any, ...], /) -> None: ...
    def finish(
        self, kind: int, span: SpanState, ended: int | None, cells: DurationCells | None, /
    ) -> int | None: ...
    def fail(
        self,
        kind: int,
        span: SpanState,
        ended: int | None,
        cells: DurationCells | None,
        message: str,
        event: list[Any],
        /,
    ) -> int | None: ...
    def use(self, place: object, declared: dict[int, Any], /) -> None: ...
    def count_in(self, counter: memoryview, /) -> None: ...
    def restart(self, counter: memoryview, seed: int = ..., /) -> None: ...

class SpanState: ...  # instrument/state.py

@final
class Starter:  # instrument/starter.py
    offset: int
    anchor_until: int
    plain: bool
    plain_roots: bool
    flights: Flights | None
    def __init__(
        self,
        span_type: type,
        context_type: type,
        span_key: str,
        recorder: object,
        seed: bytes,
    ) -> None: ...
    def begin(
        self,
        site: int,
        flags: int,
        outer: Any,
        trace_key: bytes | None,
        name: str | None = None,
        /,
    ) -> Any: ...

@final
class Flights:  # pages/flights.py
    open: int
    missed: int
    def __init__(self, declare: Callable[[int], object]) -> None: ...
    def enter(self, span: SpanState, durable: bool, /) -> None: ...
    def leave(self, span: SpanState, /) -> None: ...
    def use(self, mapping: Any, /) -> None: ...
    def restart(self) -> None: ...

@final
class DurationCells:  # pages/durations.py
    def __init__(self, buffer: memoryview, bounds: tuple[int, ...]) -> None: ...
    def record(self, duration: int, /) -> None: ...
    def finish(self, began: int, /) -> int: ...
    def fail(self) -> None: ...
    def good(self) -> None: ...

@final
class Codes:  # capture/failure.py
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def __contains__(self, code: object, /) -> bool: ...
    def add(self, code: CodeType, /) -> None: ...
    def discard(self, code: CodeType, /) -> None: ...
    def frames(
        self, traceback: TracebackType | None, most: int, /
    ) -> list[tuple[str, int, str]]: ...

# capture/serialize.py, redact.py
def scan(text: object, known: dict[str, bool] | None, /) -> int: ...
def quote(text: object, length: int, /) -> str | None: ...
def show_all(
    values: tuple[Any, ...], start: int, length: int, show: Callable[[Any, int], Any], /
) -> list[Any]: ...
def use_verdicts(known: dict[str, bool] | None, /) -> None: ...
