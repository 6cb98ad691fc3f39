-- Every query of the store by name; queries.py loads them once. `{…}` is filled by filters.py from
-- the conditions at the end, never from a user's text: that comes in as a parameter.

-- name: insert-resource
INSERT INTO resource (digest, service, attributes, schema_url) VALUES (?, ?, ?, ?)
ON CONFLICT (digest) DO NOTHING;

-- name: find-resource
SELECT id FROM resource WHERE digest = ?;

-- name: insert-scope
INSERT INTO scope (digest, name, version, schema_url, attributes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (digest) DO NOTHING;

-- name: find-scope
SELECT id FROM scope WHERE digest = ?;

-- name: insert-site
INSERT INTO site (digest, scope, name, process, process_group, attributes, parameters, source)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO NOTHING;

-- name: find-site
SELECT id FROM site WHERE digest = ?;

-- name: read-total
SELECT spans, traces, errors, running, last_end, last_span, last_trace FROM total;

-- name: write-total
UPDATE total SET
    spans = ?, traces = ?, errors = ?, running = ?, last_end = ?, last_span = ?, last_trace = ?;

-- name: insert-span
INSERT INTO span (
    id, trace, span_id, parent_id, site, resource, start, duration, flags, arguments, result,
    attributes, events, links, status_message, trace_state, dropped
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (trace, span_id) DO NOTHING;

-- name: find-known-spans
SELECT id, span_id, running FROM span
WHERE trace = ? AND span_id IN (SELECT value FROM json_each(?));

-- name: find-traces
-- What is needed to let a stored trace grow.
SELECT
    trace.trace_id, trace.id, trace.start, trace.duration, trace.spans, trace.errors, trace.running,
    trace.exception, trace.exception_time, trace.exception_span,
    span.start, span.span_id, span.parent_id, span.id
FROM trace JOIN span ON span.id = trace.root
WHERE trace.trace_id IN ({places});

-- name: insert-trace
INSERT INTO trace (
    root, start, duration, spans, errors, running,
    exception, exception_time, exception_span, trace_id, id
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update-trace
UPDATE trace SET
    root = ?, start = ?, duration = ?, spans = ?, errors = ?, running = ?,
    exception = ?, exception_time = ?, exception_span = ?
WHERE trace_id = ? AND id = ?;

-- name: has-span
SELECT EXISTS (SELECT 1 FROM span WHERE trace = ? AND span_id = ?);

-- name: find-root
-- The earliest span without a stored parent; in a circle of parents, the earliest of all.
SELECT span.start, span.span_id, span.parent_id, span.id
FROM span
WHERE span.trace = ?
ORDER BY
    span.parent_id <> 0 AND EXISTS (
        SELECT 1 FROM span AS parent
        WHERE parent.trace = span.trace AND parent.span_id = span.parent_id
    ),
    span.start, span.span_id
LIMIT 1;

-- name: read-cursor
SELECT state FROM cursor WHERE folder = ?;

-- name: write-cursor
INSERT INTO cursor (folder, state) VALUES (?, ?)
ON CONFLICT (folder) DO UPDATE SET state = excluded.state;

-- name: old-traces
SELECT id, root, spans, errors, running FROM trace
WHERE start < ?1 AND start + duration < ?1
ORDER BY start
LIMIT ?2;

-- name: some-spans
SELECT id, status, running FROM span WHERE trace = ? AND id <> ? LIMIT ?;

-- name: delete-span
DELETE FROM span WHERE id = ?;

-- name: delete-spans
DELETE FROM span WHERE trace = ?;

-- name: delete-trace
DELETE FROM trace WHERE id = ?;

-- name: shrink-trace
UPDATE trace SET spans = spans - ?, errors = errors - ?, running = running - ? WHERE id = ?;

-- name: list-traces
-- The page is found first, so that only its rows are looked up in the other tables.
SELECT
    page.id, page.trace_id, root.span_id, site.name, site.process, site.process_group,
    resource.service, page.start, page.duration, page.spans, page.errors, page.exception,
    site.parameters, root.arguments, root.attributes, page.running
FROM (
    SELECT * FROM trace WHERE {conditions}
    ORDER BY trace.start DESC, trace.id DESC LIMIT :limit
) AS page
CROSS JOIN span AS root ON root.id = page.root
CROSS JOIN site ON site.id = root.site
CROSS JOIN resource ON resource.id = root.resource
ORDER BY page.start DESC, page.id DESC;

-- name: count-traces
SELECT 1 FROM trace WHERE {conditions} LIMIT :limit;

-- name: list-points
-- A trace that runs has no duration yet; one in which something failed is not left out for that.
SELECT trace.start, trace.duration, trace.errors, trace.trace_id
FROM trace
WHERE ({conditions}) AND (trace.running = 0 OR trace.errors > 0)
ORDER BY trace.start DESC, trace.id DESC
LIMIT :limit;

-- name: match-traces
SELECT id, trace_id FROM trace WHERE trace_id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?;

-- name: read-spans
SELECT
    span.span_id, span.parent_id, span.start, span.duration, span.flags, span.site, span.resource,
    span.arguments, span.result, span.attributes, span.events, span.links, span.status_message,
    span.running
FROM span
WHERE span.trace = ?
ORDER BY span.start, span.span_id
LIMIT ?;

-- name: sweep-spans
SELECT
    span.id, trace.trace_id, span.span_id, span.parent_id, span.start, span.duration, span.flags,
    span.site, span.resource, span.arguments, span.result, span.attributes, span.events, span.links,
    span.status_message, span.running
FROM span CROSS JOIN trace ON trace.id = span.trace
WHERE span.id > ?
ORDER BY span.id
LIMIT ?;

-- name: read-sites
SELECT
    site.id, site.name, site.process, site.process_group, site.attributes, site.parameters,
    scope.name, scope.version, site.source
FROM site JOIN scope ON scope.id = site.scope
WHERE site.id IN (SELECT value FROM json_each(?));

-- name: read-resources
SELECT id, service, attributes FROM resource WHERE id IN (SELECT value FROM json_each(?));

-- name: list-groups
SELECT DISTINCT process_group FROM site WHERE process_group <> '' ORDER BY process_group;

-- name: list-services
SELECT DISTINCT service FROM resource WHERE service <> '' ORDER BY service;

-- name: first-start
SELECT min(start) FROM trace;

-- name: count-by-attribute
-- The span's own attribute wins over the captured argument or result, and that over the function's.
SELECT coalesce(
    json_extract(span.attributes, :path),
    (SELECT argument.value FROM json_each(site.parameters) AS parameter
     JOIN json_each(span.arguments) AS argument ON argument.key = parameter.key
     WHERE parameter.value = :parameter AND argument.type <> 'null'),
    CASE WHEN :is_result THEN json_extract(span.result, '$') END,
    json_extract(site.attributes, :path)
) AS value, count(*)
FROM span JOIN site ON site.id = span.site
WHERE value IS NOT NULL
GROUP BY value
ORDER BY count(*) DESC, value;

-- name: list-sites
SELECT id, name, process, process_group, attributes, parameters FROM site;

-- name: list-resources
SELECT id, service, attributes FROM resource;

-- name: count-site-spans
SELECT count(*) FROM (
    SELECT 1 FROM span
    WHERE site IN (SELECT value FROM json_each(:sites)) AND start >= :since
    LIMIT :limit
);

-- Conditions on a row of `trace`. `:this_…` gets a number for each use.

-- name: where-before
(trace.start, trace.id) < (:this_start, :this_id);

-- name: where-since
trace.start >= :this_since;

-- name: where-until
trace.start < :this_until;

-- name: where-failed
trace.errors > 0;

-- name: where-fine
trace.errors = 0;

-- name: where-running
trace.running > 0;

-- name: where-minimum
trace.duration >= :this_minimum;

-- name: where-maximum
trace.duration <= :this_maximum;

-- name: where-rare-sites
-- Few spans: all of them first, by span_site. A span never starts before its trace.
trace.id IN (
    SELECT span.trace FROM span
    WHERE span.site IN (SELECT value FROM json_each(:this_sites)) AND span.start >= :this_since
);

-- name: where-common-sites
-- Many: ask each trace, newest first, until the page is full. `+` keeps span_site out of it.
EXISTS (
    SELECT 1 FROM span
    WHERE span.trace = trace.id AND +span.site IN (SELECT value FROM json_each(:this_sites))
);

-- name: where-resources
EXISTS (
    SELECT 1 FROM span
    WHERE span.trace = trace.id AND span.resource IN (SELECT value FROM json_each(:this_resources))
);

-- name: where-word
(
    trace.trace_id BETWEEN :this_first AND :this_last
    OR EXISTS (
        SELECT 1 FROM span
        WHERE span.trace = trace.id AND (
            +span.site IN (SELECT value FROM json_each(:this_sites))
            OR span.arguments LIKE :this_json ESCAPE '\'
            OR span.attributes LIKE :this_json ESCAPE '\'
            OR span.result LIKE :this_json ESCAPE '\'
            OR span.events LIKE :this_json ESCAPE '\'
            OR span.status_message LIKE :this_text ESCAPE '\'
        )
    )
);

-- name: where-attribute
-- `this_hint` and `this_key_hint` are LIKE patterns that any JSON with this value, and with this key,
-- fits: a tenth of the cost of reading the JSON.
EXISTS (
    SELECT 1 FROM span
    WHERE span.trace = trace.id AND (
        +span.site IN (SELECT value FROM json_each(:this_sites))
        OR span.resource IN (SELECT value FROM json_each(:this_resources))
        OR span.attributes LIKE :this_hint ESCAPE '\'
        AND span.attributes LIKE :this_key_hint ESCAPE '\' AND EXISTS (
            SELECT 1 FROM json_each(span.attributes) AS item
            WHERE (item.key = :this_key OR item.key LIKE :this_suffix ESCAPE '\')
            AND {same}
        )
        OR span.arguments LIKE :this_hint ESCAPE '\'
        AND +span.site IN (SELECT value FROM json_each(:this_takers)) AND EXISTS (
            SELECT 1 FROM site
            JOIN json_each(site.parameters) AS parameter
            JOIN json_each(span.arguments) AS item ON item.key = parameter.key
            WHERE site.id = span.site
            AND parameter.value IN (SELECT value FROM json_each(:this_parameters))
            AND {same}
        )
        OR :this_is_result AND span.result LIKE :this_hint ESCAPE '\' AND EXISTS (
            SELECT 1 FROM json_each(span.result) AS item WHERE {same}
        )
        OR span.events LIKE :this_hint ESCAPE '\'
        AND span.events LIKE :this_key_hint ESCAPE '\' AND EXISTS (
            SELECT 1 FROM json_each(span.events) AS event
            JOIN json_each(event.value, '$.attributes') AS item
            WHERE (item.key = :this_key OR item.key LIKE :this_suffix ESCAPE '\')
            AND {same}
        )
    )
);

-- name: same-value
(
    item.type = 'text' AND item.value IN (SELECT value FROM json_each(:this_spellings))
    OR item.type IN ('integer', 'real') AND item.value = :this_number
    OR item.type IN ('true', 'false') AND item.type = :this_value
);
