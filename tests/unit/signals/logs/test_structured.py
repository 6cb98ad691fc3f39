"""Events of structlog are recorded with their fields, once, whichever way they take."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog

from tests.unit.signals.logs.builders import logged, make_logger
from tradespan.signals.logs import structlog_processor


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger of `logging` with a handler that renders what it gets."""
    yield make_logger(f"bot.{uuid4().hex}", logging.StreamHandler(StringIO()))
    structlog.reset_defaults()


def printed(logger: logging.Logger) -> str:
    handler = logger.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    return str(handler.stream.getvalue())


def make(logger: logging.Logger, *processors: Any) -> Any:
    return structlog.wrap_logger(
        logger,
        processors=[structlog.stdlib.add_log_level, *processors],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


RENDER: dict[str, list[Any]] = {
    "json": [structlog.processors.JSONRenderer()],
    "console": [structlog.dev.ConsoleRenderer(colors=False)],
    "key value": [structlog.processors.KeyValueRenderer()],
    "formatter": [structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    "keywords": [structlog.stdlib.render_to_log_kwargs],
}


@pytest.mark.parametrize("name", ["json", "formatter", "keywords"])
def test_events_that_end_in_logging_have_their_fields_without_a_processor(
    tmp_path: Path, log: logging.Logger, name: str
) -> None:
    if name == "formatter":
        renderer = structlog.processors.JSONRenderer()
        log.handlers[0].setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer))
    with logged(tmp_path) as seen:
        make(log, *RENDER[name]).bind(venue="kalshi").info("order_submitted", tags=["a"], qty=5)
    fields = seen.fields
    assert (fields["message"], fields["event"]) == ("order_submitted", "order_submitted")
    assert fields["logger"] == log.name
    assert fields["tags"] == ["a"]
    assert {key: fields["data"][key] for key in ("venue", "qty")} == {"venue": "kalshi", "qty": 5}
    assert "order_submitted" in printed(log)


@pytest.mark.parametrize("name", RENDER)
def test_with_the_processor_each_event_is_recorded_once(
    tmp_path: Path, log: logging.Logger, name: str
) -> None:
    with logged(tmp_path) as seen:
        bound = make(log, structlog_processor, *RENDER[name])
        bound.warning('said "so"', order_id="K1")
        bound.warning("again", order_id="K2")
        log.warning("plain")
    assert seen.messages == ['said "so"', "again", "plain"]
    assert [(line.record.attributes or {}).get("order_id") for line in seen.lines] == [
        "K1",
        "K2",
        None,
    ]
    assert {line.record.severity_number for line in seen.lines} == {13}


def test_an_event_that_logging_holds_back_is_not_recorded(
    tmp_path: Path, log: logging.Logger
) -> None:
    log.setLevel(logging.ERROR)
    with logged(tmp_path) as seen:
        make(log, structlog_processor, *RENDER["json"]).info("no")
        log.error("yes")
    assert seen.messages == ["yes"]


def test_an_event_of_a_logger_of_structlogs_own_is_recorded_and_passed_on(tmp_path: Path) -> None:
    out = StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(out), processors=[structlog_processor, *RENDER["json"]]
    )
    with logged(tmp_path) as seen:
        try:
            raise ValueError("no")
        except ValueError:
            logger.exception("failed", logger="bot.feed", category="adapter")
    fields = seen.fields
    assert (fields["logger"], fields["level"]) == ("bot.feed", "ERROR")
    assert (fields["category"], fields["exception"]["type"]) == ("adapter", "ValueError")
    assert '"event": "failed"' in out.getvalue()


def test_a_processor_that_meets_what_cannot_be_shown_passes_it_on(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    numbered: Any = {5: "x"}
    event: dict[str, Any] = {"event": Broken(), "order": Broken(), **numbered}
    with logged(tmp_path) as seen:
        assert structlog_processor(None, "info", event) is event
    assert seen.messages == ["<Broken>"]


def test_outside_of_recording_the_processor_does_nothing(tmp_path: Path) -> None:
    event = {"event": "x"}
    assert structlog_processor(None, "info", event) is event


def test_a_text_that_only_looks_like_an_event_is_a_text(
    tmp_path: Path, log: logging.Logger
) -> None:
    with logged(tmp_path) as seen:
        log.info('{"event" no json}')
        log.info('{"a": 1}')
        log.info('{"event": 5}')
    assert seen.messages == ['{"event" no json}', '{"a": 1}', '{"event": 5}']
