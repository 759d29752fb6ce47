-- The rows of programs' SQL tables, as JSON: the newest record of a row is the row as it is, and says
-- so if it is gone. Views (`sql_<dapp>_<table>`, `views.py`) read it with FINAL and its columns' types.
CREATE TABLE IF NOT EXISTS sql_rows
(
    dapp LowCardinality(String),
    `table` LowCardinality(String),
    `row` Int64 CODEC(Delta, ZSTD(1)),
    is_gone UInt8,
    body String CODEC(ZSTD(3)),
    `partition` UInt32 CODEC(ZSTD(1)),
    `offset` UInt64 CODEC(Delta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(`offset`, is_gone)
ORDER BY (dapp, `table`, `partition`, `row`)
SETTINGS non_replicated_deduplication_window = 10000;
