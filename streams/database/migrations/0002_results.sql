-- What programs said with w3b.result: a JSON object a row, typed by the Dapp's view (`views.py`).
CREATE TABLE IF NOT EXISTS results
(
    dapp LowCardinality(String),
    device String CODEC(ZSTD(1)),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    message_id UUID,
    event_type LowCardinality(String),
    `index` UInt32 CODEC(ZSTD(1)),
    epoch UInt64 CODEC(Delta, ZSTD(1)),
    program FixedString(16) CODEC(ZSTD(1)),
    body String CODEC(ZSTD(3)),
    `partition` UInt32 CODEC(ZSTD(1)),
    `offset` UInt64 CODEC(Delta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (dapp, device, time, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000;
