# What native/*.c give; the same in Python stands where each comment says.

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from types import CodeType, TracebackType
from typing import Any, final

INTERFACE: int

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
    ) -> None: ...
    def append(self, kind: int, site: int, payload: bytes, /) -> None: ...
    def record(self, kind: int, site: int, fields: tuple[Any, ...], /) -> None: ...
    def finish(
        self, kind: int, span: SpanState, ended: int | None, cells: DurationCells | None, /
    ) -> int | None: ...
    def use(self, place: object, declared: dict[int, Any], /) -> None: ...
    def count_in(self, counter: memoryview, /) -> None: ...
    def restart(self, counter: memoryview, /) -> None: ...

class SpanState: ...  # instrument/state.py

@final
class Starter:  # instrument/starter.py
    offset: int
    anchor_until: int
    plain: bool
    plain_roots: bool
    def __init__(
        self,
        span_type: type,
        context_type: type,
        span_key: str,
        recorder: object,
        seed: bytes,
    ) -> None: ...
    def begin(self, site: int, flags: int, outer: Any, trace_key: bytes | None, /) -> Any: ...

@final
class DurationCells:  # pages/durations.py
    def __init__(self, buffer: memoryview, bounds: tuple[int, ...]) -> None: ...
    def record(self, duration: int, /) -> None: ...
    def finish(self, began: int, /) -> int: ...
    def fail(self) -> None: ...
    def good(self) -> None: ...

def frames(
    traceback: TracebackType | None, own_code: AbstractSet[CodeType], most: int, /
) -> list[tuple[str, int, str]]: ...
