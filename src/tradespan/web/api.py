"""The API under /api/v1: what the pages ask for, and programs too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from tradespan.core.clock import Clock
from tradespan.core.errors import StoreError
from tradespan.store.filters import InvalidSearch
from tradespan.store.rows import SpanDetail, StoreSummary, TraceRow, age
from tradespan.store.store import Store
from tradespan.web.details import describe_span
from tradespan.web.door import StoreDoor
from tradespan.web.otlp import to_otlp
from tradespan.web.query import InvalidQuery, ListQuery, show_position
from tradespan.web.signposts import nothing_here
from tradespan.web.sources import FindRoots, show_source
from tradespan.web.status import StatusBoard, describe_death, describe_metrics

POINTS = 2000
"""Points of the duration chart: the newest ones of the selection."""


@dataclass(frozen=True, slots=True)
class Backstage:
    """What the routes need."""

    door: StoreDoor
    board: StatusBoard
    clock: Clock
    find_roots: FindRoots


def build_router(backstage: Backstage) -> APIRouter:
    """All routes under /api/v1."""
    router = APIRouter(prefix="/api/v1")
    add_list_routes(router, backstage)
    add_trace_routes(router, backstage)
    add_source_route(router, backstage)
    add_state_routes(router, backstage)
    return router


def add_list_routes(router: APIRouter, backstage: Backstage) -> None:
    """The trace list and the points of its chart."""
    door, clock = backstage.door, backstage.clock

    @router.get("/traces")
    async def list_traces(query: Annotated[ListQuery, Depends()]) -> JSONResponse:
        """Traces, newest first, 50 at a time; `before` is the `next` of the page before.

        `duration` of a trace with `running` spans is its age.
        """
        now = clock.wall()
        wanted = query.to_filter(now)
        started = time.perf_counter()
        page = await door.ask(lambda store: store.traces(wanted))
        return JSONResponse(
            {
                "rows": [describe_row(age(row, now)) for row in page.rows],
                "next": show_position(page.next),
                "total": page.total,
                "capped": page.capped,
                "took_ms": round((time.perf_counter() - started) * 1000, 1),
            }
        )

    @router.get("/scatter")
    async def list_points(query: Annotated[ListQuery, Depends()]) -> JSONResponse:
        """Start (ms since 1970), duration (ns), failed (0, 1) and trace id of the newest traces."""
        now = clock.wall()
        wanted = query.to_filter(now)
        points = await door.ask(lambda store: store.scatter(wanted, POINTS))
        return JSONResponse(
            {
                "start": [to_milliseconds(start) for start, _, _, _ in points],
                "duration": [duration for _, duration, _, _ in points],
                "failed": [int(status == "ERR") for _, _, status, _ in points],
                "trace": [trace for _, _, _, trace in points],
                "since": None if wanted.since is None else to_milliseconds(wanted.since),
                "until": to_milliseconds(now if wanted.until is None else wanted.until),
                "full": len(points) >= POINTS,
            }
        )


def add_trace_routes(router: APIRouter, backstage: Backstage) -> None:
    """One trace, whole, by span, and as OTLP."""

    @router.get("/traces/{trace_id}")
    async def read_trace(trace_id: str) -> JSONResponse:
        """Every span of a trace; a unique beginning of its id is enough."""
        spans = await read_spans(backstage, trace_id)

        def describe() -> JSONResponse:
            described = [describe_span(span) for span in spans]
            return JSONResponse({"trace_id": spans[0].trace_id, "spans": described})

        return await asyncio.to_thread(describe)

    @router.get("/traces/{trace_id}/spans/{span_id}")
    async def read_span(trace_id: str, span_id: str) -> JSONResponse:
        """One span with everything known about it."""
        return JSONResponse(
            describe_span(find_span(await read_spans(backstage, trace_id), span_id))
        )

    @router.get("/traces/{trace_id}/otlp")
    async def export_trace(trace_id: str) -> JSONResponse:
        """The trace as OTLP JSON."""
        spans = await read_spans(backstage, trace_id)
        return await asyncio.to_thread(lambda: JSONResponse(to_otlp(spans)))


async def read_spans(backstage: Backstage, trace_id: str) -> list[SpanDetail]:
    """The spans of a trace as of now."""
    spans = await backstage.door.ask(lambda store: store.trace(trace_id))
    if not spans:
        raise HTTPException(404, f"No trace {trace_id[:64]} in this store.")
    now = backstage.clock.wall()
    return [age(span, now) for span in spans]


def find_span(spans: list[SpanDetail], span_id: str) -> SpanDetail:
    for span in spans:
        if span.span_id == span_id:
            return span
    raise HTTPException(404, f"No span {span_id[:64]} in this trace.")


def add_source_route(router: APIRouter, backstage: Backstage) -> None:
    """The lines that ran."""

    @router.get("/source")
    async def read_source(trace: str, span: str) -> JSONResponse:
        """Source of a span's function and of the frames of its exceptions, or why it is not shown.

        Of files only that are as they were when they ran, below the folders that the run declared.
        """
        spans = await read_spans(backstage, trace)
        wanted = find_span(spans, span)

        def show() -> JSONResponse:
            return JSONResponse(show_source(wanted, spans, backstage.find_roots))

        return await asyncio.to_thread(show)


def add_state_routes(router: APIRouter, backstage: Backstage) -> None:
    """How much there is, and how it goes."""
    door, board, clock = backstage.door, backstage.board, backstage.clock

    @router.get("/summary")
    async def read_summary() -> JSONResponse:
        """What is in the store."""
        return JSONResponse(describe_summary(await door.ask(lambda store: store.summary())))

    @router.get("/status")
    async def read_status() -> JSONResponse:
        """The status bar, a number that changes when rows were added, the agent's own metrics."""

        def compose(store: Store) -> dict[str, Any]:
            status, pills, recent = board.read(store)
            return {
                "now": to_milliseconds(clock.wall()),
                "changes": store.changes(),
                "last": None if recent.last is None else to_milliseconds(recent.last),
                "pills": [asdict(pill) for pill in pills],
                "death": describe_death(status),
                "backlogs": [asdict(backlog) for backlog in status.backlogs],
                "metrics": describe_metrics(status),
                "groups": store.groups(),
                "services": store.services(),
            }

        return JSONResponse(await door.ask(compose))


def describe_row(row: TraceRow) -> dict[str, Any]:
    return {
        "trace_id": row.trace_id,
        "position": show_position((row.start, row.row_id)),
        "name": row.name,
        "process": row.process,
        "group": row.group,
        "service": row.service,
        "start": to_milliseconds(row.start),
        "duration": row.duration,
        "status": row.status,
        "spans": row.spans,
        "errors": row.errors,
        "running": row.running,
        "data": row.data,
        "exception": row.exception,
    }


def describe_summary(summary: StoreSummary) -> dict[str, Any]:
    return {
        "spans": summary.spans,
        "traces": summary.traces,
        "errors": summary.errors,
        "running": summary.running,
        "first": None if summary.first is None else to_milliseconds(summary.first),
        "last": None if summary.last is None else to_milliseconds(summary.last),
        "services": summary.services,
    }


def to_milliseconds(nanoseconds: int) -> float:
    """Milliseconds since 1970 to the microsecond: what a browser's number holds."""
    return nanoseconds // 1000 / 1000


def add_error_answers(server: FastAPI) -> None:
    """What went wrong, as JSON under /api and as a page elsewhere."""

    @server.exception_handler(InvalidSearch)
    @server.exception_handler(InvalidQuery)
    async def refuse_query(_: Request, error: Exception) -> Response:
        position = getattr(error, "position", None)
        message = getattr(error, "reason", str(error))
        body = {"error": "invalid-query", "message": message, "position": position}
        return JSONResponse(body, status_code=400)

    @server.exception_handler(StoreError)
    async def report_store(_: Request, error: Exception) -> Response:
        slug = getattr(error, "slug", "store-error")
        return JSONResponse({"error": slug, "message": str(error)}, status_code=503)

    @server.exception_handler(StarletteHTTPException)
    async def report_status(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        path = request.url.path
        if error.status_code == 404 and not path.startswith(("/api", "/_dash")):
            return HTMLResponse(nothing_here(path), status_code=404)
        body = {"error": "not-found" if error.status_code == 404 else "http-error"}
        return JSONResponse(
            {**body, "message": str(error.detail)}, error.status_code, headers=error.headers
        )


def add_health_routes(server: FastAPI, ready: Callable[[], Awaitable[bool]]) -> None:
    """/health and /ready, for whoever watches the process; without token."""

    @server.get("/health")
    async def health() -> JSONResponse:
        """The process answers."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return JSONResponse({"status": "ok", "timestamp": stamp})

    @server.get("/ready")
    async def readiness() -> JSONResponse:
        """The store can be read: 200, else 503."""
        if await ready():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, status_code=503)
