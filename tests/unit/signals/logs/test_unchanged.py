"""What the program's own logging does stays as it is: levels, handlers, output."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.support.captured import read_lines
from tests.unit.signals.logs.builders import logged, make_logger

PROGRAMS = {
    "nothing set up": """
        log.info("not shown"); log.warning("by Python's last resort")
        """,
    "basicConfig": """
        logging.basicConfig(level="INFO", format="own %(name)s %(message)s")
        log.info("shown"); log.debug("not shown")
        """,
    "basicConfig by the first call of a function": """
        logging.warning("sets up the root by itself")
        logging.basicConfig(format="too late %(message)s")
        logging.warning("as before")
        """,
    "dictConfig": """
        import logging.config
        log.warning("before")
        logging.config.dictConfig({
            "version": 1, "disable_existing_loggers": True,
            "formatters": {"f": {"format": "F %(message)s"}},
            "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
            "root": {"handlers": ["h"], "level": "INFO"},
        })
        log.warning("disabled now")
        logging.getLogger("other").info("by the new handler")
        """,
    "no propagation": """
        own = logging.StreamHandler(sys.stdout); log.addHandler(own); log.propagate = False
        log.warning("to the logger's handler only")
        """,
    "a filter on the logger": """
        log.addFilter(lambda record: "secret" not in record.msg)
        log.warning("a secret"); log.warning("fine")
        """,
    "a handler that raises": """
        class Bad(logging.Handler):
            def emit(self, record): raise ValueError("bad handler")
        log.addHandler(Bad())
        try: log.warning("x")
        except ValueError as error: print("the program sees", error)
        """,
    "arguments that do not fit": """
        logging.basicConfig()
        logging.raiseExceptions = False
        log.warning("%d", "x")
        """,
    "a logger class of its own": """
        class Loud(logging.Logger):
            def callHandlers(self, record):
                print("loud"); super().callHandlers(record)
        logging.setLoggerClass(Loud)
        logging.getLogger("loud").warning("x")
        """,
    "where a call came from": """
        logging.basicConfig(format="%(funcName)s %(lineno)d %(message)s")
        def inner(): log.warning("x", stacklevel=2)
        inner()
        """,
}
RECORDED = {
    "nothing set up": ["by Python's last resort"],
    "basicConfig": ["shown"],
    "basicConfig by the first call of a function": ["sets up the root by itself", "as before"],
    "dictConfig": ["before", "by the new handler"],
    "no propagation": ["to the logger's handler only"],
    "a filter on the logger": ["fine"],
    "a handler that raises": ["x"],
    "arguments that do not fit": ["%d (not formatted: TypeError)"],
    "a logger class of its own": ["x"],
    "where a call came from": ["x"],
}
_ARM = """
import pathlib
from tradespan.core import guard
from tradespan.config import resolve_config
from tests.support.captured import capture
from tradespan.signals.logs.capture import LOGS
context = capture(pathlib.Path(sys.argv[1])); context.__enter__()
LOGS.start(resolve_config({}, environ={"HOME": "/"}, directory=pathlib.Path("/")).logs)
"""


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_own_output_is_the_same(tmp_path: Path, name: str) -> None:
    program = "log = logging.getLogger('bot')\n" + textwrap.dedent(PROGRAMS[name])
    outputs = []
    for arm in ("", _ARM):
        # As many lines in both, for those that print line numbers.
        head = "import logging, sys; exec(sys.argv[2])\n"
        words = [sys.executable, "-c", head + program, str(tmp_path), arm]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        outputs.append((ended.returncode, ended.stdout, ended.stderr))
    assert outputs[0] == outputs[1]
    assert outputs[0][0] == 0, outputs[0][2]
    recorded = sorted(read_lines(tmp_path), key=lambda line: line.record.observed_time)
    assert [line.record.body for line in recorded] == RECORDED[name]


def test_after_the_end_nothing_is_left_in_logging(tmp_path: Path) -> None:
    bare = logging.Logger.callHandlers
    with logged(tmp_path):
        assert logging.Logger.callHandlers is not bare
    assert logging.Logger.callHandlers is bare


def test_who_wrapped_logging_after_us_is_left_alone(tmp_path: Path) -> None:
    log = make_logger("bot")
    bare = logging.Logger.callHandlers
    with logged(tmp_path):
        ours: Any = logging.Logger.callHandlers

        def others(self: logging.Logger, record: logging.LogRecord) -> None:
            ours(self, record)

        logging.Logger.callHandlers = others  # type: ignore[method-assign]
    try:
        assert logging.Logger.callHandlers is others
        log.warning("nobody records it, and nothing fails")
        with logged(tmp_path / "again") as seen:
            log.warning("once")
        assert seen.messages == ["once"]
    finally:
        logging.Logger.callHandlers = bare  # type: ignore[method-assign]
    with logged(tmp_path / "anew") as seen:
        log.warning("once")
    assert seen.messages == ["once"]
