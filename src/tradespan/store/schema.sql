-- The store of tradespan: one SQLite file. This page is its specification.
--
-- Versions (PRAGMA user_version)
--   1   spans, traces, cursors; views process_trace and data_trace
--   2   spans that run: span.running, trace.running, total.running
--   3   the source file of a function: site.source
--
-- PRAGMA application_id is 0x7473706E ("tspn"): any other SQLite file is refused. A file with a
-- higher user_version is refused, and left as it is byte for byte. This script makes a new store;
-- older ones are brought here by the steps in migrations.py.
--
-- Public: the views at the end, by name and column. Tables may change with a version.
--
-- Times are nanoseconds since 1970 UTC, durations nanoseconds. Span ids are 64-bit numbers kept
-- as SQLite's signed integers: printf('%016x', span_id) gives the hex form. What is text or JSON
-- is TEXT, never BLOB: LIKE on a BLOB silently finds nothing.
--
-- Durability: WAL with synchronous = FULL. The spool's segments are deleted when the store's
-- cursor passed them, and with NORMAL the last commits, spans and cursor alike, are gone after a
-- power cut although the segment already is too. FULL syncs the WAL once a commit. Measured
-- here (ext4, virtio disk): 0.3 ms more for a batch of 200 spans (2.2 instead of 1.9 ms), and within
-- the noise for 10,000 (95 ms). A torn WAL frame is dropped by its checksum.

-- Who recorded: one row per process generation.
CREATE TABLE resource (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,            -- 16 bytes of BLAKE2 over the record
    service    TEXT NOT NULL,                   -- service.name
    attributes TEXT NOT NULL,                   -- JSON object
    schema_url TEXT NOT NULL
) STRICT;

-- Which library or tracer made the span.
CREATE TABLE scope (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    version    TEXT NOT NULL,
    schema_url TEXT NOT NULL,
    attributes TEXT NOT NULL                    -- JSON object
) STRICT;

-- Which function: a watched function, or a tracer together with the name it gave to its span.
CREATE TABLE site (
    id            INTEGER PRIMARY KEY,
    digest        BLOB NOT NULL UNIQUE,
    scope         INTEGER NOT NULL REFERENCES scope (id),
    name          TEXT NOT NULL,                -- the span's name
    process       TEXT NOT NULL,                -- module.function
    process_group TEXT NOT NULL,                -- empty: none
    attributes    TEXT NOT NULL,                -- JSON object: static facts, the same in every span
    parameters    TEXT NOT NULL,                -- JSON array: names of span.arguments, in order
    source        TEXT                          -- JSON object: path, size, changed (ns), digest (hex); null: not known
) STRICT;

CREATE INDEX site_process ON site (process);

-- A span, finished or running. `id` counts arrivals and is never used twice: when the end of a
-- running span arrives, its row goes and a new one comes.
CREATE TABLE span (
    id             INTEGER PRIMARY KEY,
    trace          INTEGER NOT NULL REFERENCES trace (id),
    span_id        INTEGER NOT NULL,
    parent_id      INTEGER NOT NULL,            -- 0: a root; the parent need not be stored
    site           INTEGER NOT NULL REFERENCES site (id),
    resource       INTEGER NOT NULL REFERENCES resource (id),
    start          INTEGER NOT NULL,
    duration       INTEGER NOT NULL,            -- 0 while it runs
    flags          INTEGER NOT NULL,            -- as in core/records.py: bits 0-1 status, 2-4 kind, …
    arguments      TEXT,                        -- JSON array by site.parameters; null: not captured
    result         TEXT,                        -- JSON value
    attributes     TEXT,                        -- JSON object: what the span itself was given
    events         TEXT,                        -- JSON array of {name, time, attributes}
    links          TEXT,                        -- JSON array of {trace_id, span_id, attributes, …}
    status_message TEXT,
    trace_state    TEXT,
    dropped        TEXT,                        -- JSON array: attributes, events, links over the limits
    status         TEXT NOT NULL AS (CASE flags & 3 WHEN 2 THEN 'ERR' ELSE 'OK' END) VIRTUAL,
    running        INTEGER NOT NULL AS (flags >> 7 & 1) VIRTUAL -- 1: begun, and no end arrived
) STRICT;

-- Reads one trace, finds a parent, and ignores a span that is already there.
CREATE UNIQUE INDEX span_trace ON span (trace, span_id);
-- Reads one function in time order.
CREATE INDEX span_site ON span (site, start);

-- One row a trace, kept up to date by the transaction that adds its spans.
CREATE TABLE trace (
    id             INTEGER PRIMARY KEY,
    trace_id       BLOB NOT NULL UNIQUE,        -- 16 bytes
    root           INTEGER NOT NULL REFERENCES span (id), -- earliest span without a stored parent
    start          INTEGER NOT NULL,            -- of the earliest span
    duration       INTEGER NOT NULL,            -- to the latest end, or start of what runs
    spans          INTEGER NOT NULL,            -- running ones too
    errors         INTEGER NOT NULL,            -- spans that failed
    exception      TEXT,                        -- the first one, on one line
    exception_time INTEGER,
    exception_span INTEGER,                     -- span_id; decides between equal times
    running        INTEGER NOT NULL DEFAULT 0   -- spans without an end
) STRICT;

-- Lists the newest traces, and the newest that failed (a query must say `errors > 0`).
CREATE INDEX trace_newest ON trace (start);
CREATE INDEX trace_failed ON trace (start) WHERE errors > 0;
-- Lists what runs (a query must say `running > 0`).
CREATE INDEX trace_running ON trace (start) WHERE running > 0;

-- Sums over everything, so that nobody scans for them. One row.
CREATE TABLE total (
    spans      INTEGER NOT NULL,
    traces     INTEGER NOT NULL,
    errors     INTEGER NOT NULL,                -- spans that failed
    last_end   INTEGER,                         -- latest end of a span ever stored
    last_span  INTEGER NOT NULL,                -- highest span.id ever given
    last_trace INTEGER NOT NULL,                -- highest trace.id ever given
    running    INTEGER NOT NULL DEFAULT 0       -- spans without an end
) STRICT;

INSERT INTO total VALUES (0, 0, 0, NULL, 0, 0, 0);

-- How far each run's folder of the spool has been stored. Commits with the rows.
CREATE TABLE cursor (
    folder TEXT PRIMARY KEY,                    -- absolute path
    state  TEXT NOT NULL                        -- JSON object: Cursor of core/delivery.py
) STRICT, WITHOUT ROWID;

-- The traceback of a failed span, or its status message if it recorded no exception.
CREATE VIEW failure (span, traceback) AS
SELECT
    span.id,
    coalesce(
        (SELECT json_extract(event.value, '$.attributes."exception.stacktrace"')
         FROM json_each(span.events) AS event
         WHERE json_extract(event.value, '$.attributes."exception.stacktrace"') IS NOT NULL
         LIMIT 1),
        span.status_message
    )
FROM span WHERE span.status = 'ERR';

-- One row a call that is over: when it began, what, how it ended. `exception`: the full traceback
-- if ERR. A running call is in neither view: it has no status yet, and `status` is OK or ERR.
CREATE VIEW process_trace (ts, process, status, duration_ms, exception) AS
SELECT
    strftime('%Y-%m-%dT%H:%M:%S', span.start / 1000000000, 'unixepoch')
        || printf('.%06dZ', span.start % 1000000000 / 1000),
    site.process,
    span.status,
    span.duration / 1e6,
    (SELECT failure.traceback FROM failure WHERE failure.span = span.id)
FROM span JOIN site ON site.id = span.site
WHERE span.running = 0;

-- One row for each value that went into a call (INPUT, at the call's start) or came out of it
-- (OUTPUT, at its end; `data` is 'result').
CREATE VIEW data_trace (ts, process, data, data_type, data_value, status, exception) AS
WITH item (span, time, name, direction, value, type) AS (
    SELECT
        span.id, span.start, json_extract(site.parameters, '$[' || argument.key || ']'), 'INPUT',
        argument.value, argument.type
    FROM span JOIN site ON site.id = span.site, json_each(span.arguments) AS argument
    WHERE argument.type <> 'null'
    UNION ALL
    SELECT
        span.id, span.start + span.duration, 'result', 'OUTPUT',
        json_extract(span.result, '$'), json_type(span.result)
    FROM span WHERE span.result IS NOT NULL
)
SELECT
    strftime('%Y-%m-%dT%H:%M:%S', item.time / 1000000000, 'unixepoch')
        || printf('.%06dZ', item.time % 1000000000 / 1000),
    site.process,
    item.name,
    item.direction,
    CASE WHEN item.type IN ('true', 'false') THEN item.type ELSE item.value END,
    span.status,
    (SELECT failure.traceback FROM failure WHERE failure.span = span.id)
FROM item JOIN span ON span.id = item.span JOIN site ON site.id = span.site
WHERE span.running = 0;
