-- From schema 1 to 2: spans that run. This step stays as it is, whatever becomes of schema.sql.

ALTER TABLE span ADD COLUMN running INTEGER NOT NULL AS (flags >> 7 & 1) VIRTUAL;
ALTER TABLE trace ADD COLUMN running INTEGER NOT NULL DEFAULT 0;
ALTER TABLE total ADD COLUMN running INTEGER NOT NULL DEFAULT 0;

CREATE INDEX trace_running ON trace (start) WHERE running > 0;

DROP VIEW process_trace;
DROP VIEW data_trace;

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
