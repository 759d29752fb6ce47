-- Roll-ups that cannot differ from the rows: projections. A materialized view's table is written beside
-- the one that it follows, so a server that dies between the two leaves it with a hole or with doubles, and
-- a sum does not say which rows it lacks; a projection is a piece of the same part. It is there, dropped,
-- merged and attached with its rows, and goes when they expire.
-- Minutes are numbers because `toStartOfMinute` ends in 2106, and a device's clock may say anything.
-- `toString` because of a bare column's length ClickHouse reads another piece of the column, which no
-- projection has, and then reads the rows.
-- They are cast to times because a condition on a cast still finds its place in a projection.
-- 1,024 rows are 17 hours of minutes; by default a question about an hour reads five days of them. With fewer
-- ClickHouse prefers the rows of Dapps that are not so busy: it takes what has fewer granules to read.
-- `kind` is what most results say of themselves: as a column it is read without their JSON.
-- Payloads are written with little effort and, once they are a day old, compressed as far as is worth it:
-- of a fleet's telemetry (189 bytes) ZSTD(1) leaves 18.3, ZSTD(3) 19.6, ZSTD(9) 13.9, ZSTD(12) 13.8.
-- `alter_sync = 0`: what is there already is gone through behind our back.
-- `time_range`: of a table that is sorted by device, a question about a time skips the pieces of others.
ALTER TABLE messages MODIFY SETTING
    lightweight_mutation_projection_mode = 'rebuild', default_compression_codec = 'ZSTD(1)';
ALTER TABLE results MODIFY SETTING
    lightweight_mutation_projection_mode = 'rebuild', default_compression_codec = 'ZSTD(1)';

ALTER TABLE messages
    MODIFY COLUMN payload String CODEC(Default),
    ADD INDEX IF NOT EXISTS time_range time TYPE minmax GRANULARITY 1,
    ADD PROJECTION IF NOT EXISTS per_minute
    (
        SELECT dapp, event_type, intDiv(toUnixTimestamp64Milli(time), 60000),
            count(), uniq(device), sum(length(toString(payload))), max(received)
        GROUP BY dapp, event_type, intDiv(toUnixTimestamp64Milli(time), 60000)
    ) WITH SETTINGS (index_granularity = 1024),
    ADD PROJECTION IF NOT EXISTS per_device
    (
        SELECT dapp, device, count(), min(time), max(time), max(received)
        GROUP BY dapp, device
    ),
    MODIFY TTL received + INTERVAL 1 DAY RECOMPRESS CODEC(ZSTD(9))
    SETTINGS alter_sync = 0;
ALTER TABLE results
    MODIFY COLUMN body String CODEC(Default),
    ADD COLUMN IF NOT EXISTS kind LowCardinality(String)
        MATERIALIZED JSONExtract(body, 'kind', 'LowCardinality(String)') AFTER program,
    ADD INDEX IF NOT EXISTS time_range time TYPE minmax GRANULARITY 1,
    ADD PROJECTION IF NOT EXISTS per_minute
    (
        SELECT dapp, kind, intDiv(toUnixTimestamp64Milli(time), 60000),
            count(), uniq(device), sum(length(toString(body))), max(received)
        GROUP BY dapp, kind, intDiv(toUnixTimestamp64Milli(time), 60000)
    ) WITH SETTINGS (index_granularity = 1024),
    ADD PROJECTION IF NOT EXISTS per_device
    (
        SELECT dapp, kind, device, count(), max(time)
        GROUP BY dapp, kind, device
    ),
    MODIFY TTL received + INTERVAL 1 DAY RECOMPRESS CODEC(ZSTD(9))
    SETTINGS alter_sync = 0;
ALTER TABLE messages
    MATERIALIZE INDEX time_range,
    MATERIALIZE PROJECTION per_minute,
    MATERIALIZE PROJECTION per_device;
ALTER TABLE results
    MATERIALIZE COLUMN kind,
    MATERIALIZE INDEX time_range,
    MATERIALIZE PROJECTION per_minute,
    MATERIALIZE PROJECTION per_device;

CREATE VIEW IF NOT EXISTS messages_per_minute AS
SELECT
    dapp,
    event_type,
    CAST(intDiv(toUnixTimestamp64Milli(time), 60000) * 60, 'DateTime64(0, ''UTC'')') AS minute,
    count() AS messages,
    uniq(device) AS devices,
    sum(length(toString(payload))) AS payload_bytes,
    max(received) AS last_received
FROM messages
GROUP BY dapp, event_type, intDiv(toUnixTimestamp64Milli(time), 60000);

CREATE VIEW IF NOT EXISTS messages_per_hour AS
SELECT
    dapp,
    event_type,
    CAST(intDiv(intDiv(toUnixTimestamp64Milli(time), 60000), 60) * 3600, 'DateTime64(0, ''UTC'')') AS hour,
    count() AS messages,
    uniq(device) AS devices,
    sum(length(toString(payload))) AS payload_bytes,
    max(received) AS last_received
FROM messages
GROUP BY dapp, event_type, intDiv(intDiv(toUnixTimestamp64Milli(time), 60000), 60);

CREATE VIEW IF NOT EXISTS results_per_minute AS
SELECT
    dapp,
    kind,
    CAST(intDiv(toUnixTimestamp64Milli(time), 60000) * 60, 'DateTime64(0, ''UTC'')') AS minute,
    count() AS results,
    uniq(device) AS devices,
    sum(length(toString(body))) AS body_bytes,
    max(received) AS last_received
FROM results
GROUP BY dapp, kind, intDiv(toUnixTimestamp64Milli(time), 60000);

CREATE VIEW IF NOT EXISTS results_per_hour AS
SELECT
    dapp,
    kind,
    CAST(intDiv(intDiv(toUnixTimestamp64Milli(time), 60000), 60) * 3600, 'DateTime64(0, ''UTC'')') AS hour,
    count() AS results,
    uniq(device) AS devices,
    sum(length(toString(body))) AS body_bytes,
    max(received) AS last_received
FROM results
GROUP BY dapp, kind, intDiv(intDiv(toUnixTimestamp64Milli(time), 60000), 60);

CREATE VIEW IF NOT EXISTS devices AS
SELECT
    dapp,
    device,
    count() AS messages,
    min(time) AS first_time,
    max(time) AS last_time,
    max(received) AS last_received
FROM messages
GROUP BY dapp, device;

CREATE VIEW IF NOT EXISTS latest_messages AS
SELECT dapp, device, time, message_id, event_type, payload, `partition`, `offset`, received
FROM messages
WHERE (dapp, device, time) IN (SELECT dapp, device, max(time) FROM messages GROUP BY dapp, device)
ORDER BY `partition` DESC, `offset` DESC
LIMIT 1 BY dapp, device;
