"""What the program logs is recorded, and nothing of its own logging changes."""

from __future__ import annotations

import logging
import os
import signal
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.captured import read_lines
from tests.unit.signals.logs.builders import logged, make_logger
from tradespan.core.records import Lane
from tradespan.instrument.monitor import monitor
from tradespan.signals.logs.rules import MOST_LOGGERS


@pytest.fixture
def log() -> logging.Logger:
    """A logger that lets everything through and prints nothing; pytest does not find it."""
    return make_logger(f"bot.{uuid4().hex}")


def test_a_record_has_its_loggers_name_level_time_and_place(
    tmp_path: Path, log: logging.Logger
) -> None:
    with logged(tmp_path) as seen:
        log.warning("%s sold", "AAPL", extra={"quantity": 5})
    line = seen.only
    assert (line.scope, line.record.body) == (log.name, "AAPL sold")
    assert (line.record.severity_number, line.record.severity_text) == (13, "WARNING")
    attributes = dict(line.record.attributes or {})
    assert attributes.pop("code.line.number")
    assert attributes == {
        "quantity": 5,
        "code.file.path": __file__,
        "code.function.name": "test_a_record_has_its_loggers_name_level_time_and_place",
    }


def test_a_record_belongs_to_the_span_that_it_was_logged_in(
    tmp_path: Path, log: logging.Logger
) -> None:
    @monitor
    def work() -> None:
        log.info("inside")

    with logged(tmp_path) as seen:
        work()
    assert len(seen.fields["trace_id"]) == 32
    assert len(seen.fields["span_id"]) == 16


def test_errors_travel_in_the_error_lane(tmp_path: Path, log: logging.Logger) -> None:
    with logged(tmp_path) as seen:
        log.error("failed")
        log.info("went on")
    assert {line.record.body: line.lane for line in seen.lines} == {
        "failed": Lane.ERROR,
        "went on": Lane.ORDINARY,
    }


def test_the_level_is_the_least_that_is_recorded(tmp_path: Path, log: logging.Logger) -> None:
    with logged(tmp_path, level="warning") as seen:
        log.info("no")
        log.warning("yes")
    assert seen.messages == ["yes"]


def test_what_the_programs_own_levels_hold_back_is_not_recorded(
    tmp_path: Path, log: logging.Logger
) -> None:
    log.setLevel(logging.ERROR)
    with logged(tmp_path, level="debug") as seen:
        log.warning("no")
    assert seen.messages == []


@pytest.mark.parametrize("pattern", ["bot", r"bot\..*"])
def test_a_logger_can_be_left_out(tmp_path: Path, log: logging.Logger, pattern: str) -> None:
    with logged(tmp_path, exclude=[pattern]) as seen:
        log.warning("no")
    assert seen.messages == []


def test_what_tradespan_says_itself_is_not_recorded(tmp_path: Path) -> None:
    with logged(tmp_path) as seen:
        logging.getLogger("tradespan").info("no")
        logging.getLogger("tradespan.agent").info("no")
        logging.getLogger("tradespan_bot").warning("yes")
    assert seen.messages == ["yes"]


def test_the_category_is_the_records_or_the_nearest_loggers(
    tmp_path: Path, log: logging.Logger
) -> None:
    with logged(tmp_path, categories={"bot": "engine", log.name: "order"}) as seen:
        log.info("a")
        log.info("b", extra={"category": "risk"})
    found = [(line.record.attributes or {})["tradespan.log.category"] for line in seen.lines]
    assert found == ["order", "risk"]


def test_the_event_is_named_or_is_the_message_itself(tmp_path: Path, log: logging.Logger) -> None:
    with logged(tmp_path) as seen:
        log.info("websocket_connected", extra={"latency_ms": 123})
        log.info("Paired order executed", extra={"event": "pair_execution_completed"})
        log.info("one word of prose is no event: done")
        log.info("done")
    found = [line.record.event_name for line in seen.lines]
    assert found == ["websocket_connected", "pair_execution_completed", "", ""]


def test_an_exception_is_told_with_type_message_and_stack(
    tmp_path: Path, log: logging.Logger
) -> None:
    with logged(tmp_path) as seen:
        try:
            raise ValueError("no such symbol")
        except ValueError:
            log.exception("quote failed")
    exception = seen.fields["exception"]
    assert (exception["type"], exception["message"]) == ("ValueError", "no such symbol")
    assert exception["stack"].startswith("Traceback (most recent call last):\n")
    assert exception["stack"].endswith("ValueError: no such symbol\n")


def test_secrets_are_hidden_in_message_and_fields(tmp_path: Path, log: logging.Logger) -> None:
    with logged(tmp_path) as seen:
        log.warning("api_key=sk-livesecret0123456789", extra={"password": "hunter2"})
    assert "livesecret" not in str(seen.only.record)
    assert "hunter2" not in str(seen.only.record)


class Broken:
    """Cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "args", "shown"),
    [
        ("sold %s", (Broken(),), "sold %s (not formatted: RuntimeError)"),
        ("sold %d", ("five",), "sold %d (not formatted: TypeError)"),
        ("sold %s %s", (1,), "sold %s %s (not formatted: TypeError)"),
        (Broken(), (), "<Broken> (not formatted: RuntimeError)"),
        ("half a pair \ud800", (), "half a pair ?"),
    ],
)
def test_what_cannot_be_formatted_is_named_and_costs_nothing(
    tmp_path: Path, log: logging.Logger, message: Any, args: tuple[Any, ...], shown: str
) -> None:
    with logged(tmp_path) as seen:
        log.warning(message, *args)
    assert seen.messages == [shown]


def test_a_field_that_cannot_be_shown_is_named(tmp_path: Path, log: logging.Logger) -> None:
    with logged(tmp_path) as seen:
        log.warning("x", extra={"order": Broken(), "nested": {"a": [Broken(), 1]}})
    data = seen.fields["data"]
    assert data["order"].startswith("<Broken")
    assert data["nested"]["a"][1] == 1


def test_a_field_of_any_type_is_recorded_without_a_word_about_it(
    tmp_path: Path, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    with logged(tmp_path) as seen:
        log.warning("x", extra={"price": Decimal("1.50"), "path": tmp_path, "many": {1, 2}})
    assert seen.fields["data"]["price"] == "1.50"
    assert [each.message for each in caplog.records] == []


def test_logging_inside_of_an_argument_ends(tmp_path: Path, log: logging.Logger) -> None:
    class Talkative:
        def __str__(self) -> str:
            log.warning("again %s", self)
            return "talkative"

    with logged(tmp_path) as seen:
        log.warning("first %s", Talkative())
    assert "first talkative" in seen.messages
    assert len(seen.messages) < 10


def test_a_handler_that_logs_itself_is_recorded_once_for_each(
    tmp_path: Path, log: logging.Logger
) -> None:
    class Echo(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.msg == "first":
                log.info("echo")

    echo = Echo()
    log.addHandler(echo)
    with logged(tmp_path) as seen:
        log.info("first")
    assert seen.messages == ["first", "echo"]


def test_a_signal_handler_may_log_in_the_middle_of_logging(
    tmp_path: Path, log: logging.Logger
) -> None:
    class Interrupted:
        def __str__(self) -> str:
            signal.raise_signal(signal.SIGUSR1)
            return "interrupted"

    before = signal.signal(signal.SIGUSR1, lambda *_: log.warning("from the signal"))
    try:
        with logged(tmp_path) as seen:
            log.warning("%s", Interrupted())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sorted(seen.messages) == ["from the signal", "interrupted"]


def test_a_destructor_may_log(tmp_path: Path, log: logging.Logger) -> None:
    class Going:
        def __del__(self) -> None:
            log.warning("gone")

    with logged(tmp_path) as seen:
        going = Going()
        del going
    assert seen.messages == ["gone"]


def test_a_forked_child_logs_in_a_segment_of_its_own(tmp_path: Path, log: logging.Logger) -> None:
    with logged(tmp_path) as seen:
        log.info("before")
        child = os.fork()
        if child == 0:
            log.info("in the child")
            os._exit(0)
        os.waitpid(child, 0)
        log.info("after")
    by_writer: dict[str, list[Any]] = {}
    for line in seen.lines:
        instance = str(line.resource.attributes["service.instance.id"])
        by_writer.setdefault(instance, []).append(line.record.body)
    assert sorted(by_writer.values()) == [["before", "after"], ["in the child"]]


def test_lines_of_many_threads_are_all_there_in_order(tmp_path: Path, log: logging.Logger) -> None:
    def work(number: int) -> None:
        for each in range(500):
            log.info("%d", each, extra={"worker": number})

    with logged(tmp_path) as seen:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found: dict[Any, list[int]] = {}
    for line in read_lines(seen.folder):
        attributes = line.record.attributes or {}
        found.setdefault(attributes["worker"], []).append(int(str(line.record.body)))
    assert found == {n: list(range(500)) for n in range(4)}


def test_loggers_without_number_share_a_scope(tmp_path: Path) -> None:
    with logged(tmp_path) as seen:
        for number in range(MOST_LOGGERS + 1):
            record = logging.makeLogRecord({"name": f"order.{number}", "msg": "x", "levelno": 30})
            logging.getLogger().handle(record)
        last = seen.lines[-1]
    assert last.scope == "logging.overflow"
    assert (last.record.attributes or {})["logger.name"] == f"order.{MOST_LOGGERS}"
