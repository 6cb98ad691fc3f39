-- Schema 1 as it was, without its comments; PRAGMA application_id and user_version are the test's.

CREATE TABLE resource (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    service    TEXT NOT NULL,
    attributes TEXT NOT NULL,
    schema_url TEXT NOT NULL
) STRICT;

CREATE TABLE scope (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    version    TEXT NOT NULL,
    schema_url TEXT NOT NULL,
    attributes TEXT NOT NULL
) STRICT;

CREATE TABLE site (
    id            INTEGER PRIMARY KEY,
    digest        BLOB NOT NULL UNIQUE,
    scope         INTEGER NOT NULL REFERENCES scope (id),
    name          TEXT NOT NULL,
    process       TEXT NOT NULL,
    process_group TEXT NOT NULL,
    attributes    TEXT NOT NULL,
    parameters    TEXT NOT NULL
) STRICT;

CREATE INDEX site_process ON site (process);

CREATE TABLE span (
    id             INTEGER PRIMARY KEY,
    trace          INTEGER NOT NULL REFERENCES trace (id),
    span_id        INTEGER NOT NULL,
    parent_id      INTEGER NOT NULL,
    site           INTEGER NOT NULL REFERENCES site (id),
    resource       INTEGER NOT NULL REFERENCES resource (id),
    start          INTEGER NOT NULL,
    duration       INTEGER NOT NULL,
    flags          INTEGER NOT NULL,
    arguments      TEXT,
    result         TEXT,
    attributes     TEXT,
    events         TEXT,
    links          TEXT,
    status_message TEXT,
    trace_state    TEXT,
    dropped        TEXT,
    status         TEXT NOT NULL AS (CASE flags & 3 WHEN 2 THEN 'ERR' ELSE 'OK' END) VIRTUAL
) STRICT;

CREATE UNIQUE INDEX span_trace ON span (trace, span_id);

CREATE INDEX span_site ON span (site, start);

CREATE TABLE trace (
    id             INTEGER PRIMARY KEY,
    trace_id       BLOB NOT NULL UNIQUE,
    root           INTEGER NOT NULL REFERENCES span (id),
    start          INTEGER NOT NULL,
    duration       INTEGER NOT NULL,
    spans          INTEGER NOT NULL,
    errors         INTEGER NOT NULL,
    exception      TEXT,
    exception_time INTEGER,
    exception_span INTEGER
) STRICT;

CREATE INDEX trace_newest ON trace (start);
CREATE INDEX trace_failed ON trace (start) WHERE errors > 0;

CREATE TABLE total (
    spans      INTEGER NOT NULL,
    traces     INTEGER NOT NULL,
    errors     INTEGER NOT NULL,
    last_end   INTEGER,
    last_span  INTEGER NOT NULL,
    last_trace INTEGER NOT NULL
) STRICT;

INSERT INTO total VALUES (0, 0, 0, NULL, 0, 0);

CREATE TABLE cursor (
    folder TEXT PRIMARY KEY,
    state  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

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

CREATE VIEW process_trace (ts, process, status, duration_ms, exception) AS
SELECT
    strftime('%Y-%m-%dT%H:%M:%S', span.start / 1000000000, 'unixepoch')
        || printf('.%06dZ', span.start % 1000000000 / 1000),
    site.process,
    span.status,
    span.duration / 1e6,
    (SELECT failure.traceback FROM failure WHERE failure.span = span.id)
FROM span JOIN site ON site.id = span.site;

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
FROM item JOIN span ON span.id = item.span JOIN site ON site.id = span.site;
