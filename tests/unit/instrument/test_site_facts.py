"""What a watched function's site tells beside its attributes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.captured import Captured
from tradespan import monitor


def test_site_tells_what_the_functions_file_was_like(captured: Captured) -> None:
    @monitor
    def decide() -> None:
        pass

    decide()
    source = captured.spans[-1].site.source
    here = Path(__file__).resolve()
    assert source is not None
    assert (source.path, source.size) == (str(here), here.stat().st_size)
    assert source.changed == here.stat().st_mtime_ns
    assert source.digest == hashlib.sha256(here.read_bytes()).digest()


def test_function_without_a_file_is_watched_all_the_same(captured: Captured) -> None:
    namespace: dict[str, object] = {"monitor": monitor, "__name__": "made"}
    exec(compile("@monitor\ndef made(): return 1\nresult = made()", "<made>", "exec"), namespace)
    assert namespace["result"] == 1
    assert captured.spans[-1].site.source is None


def test_site_tells_the_functions_threshold(captured: Captured) -> None:
    @monitor(queue_warning_threshold=100)
    def strict() -> None:
        pass

    @monitor
    def plain() -> None:
        pass

    strict()
    assert captured.spans[-1].site.queue_warning_threshold == 100
    plain()
    assert captured.spans[-1].site.queue_warning_threshold == 0
