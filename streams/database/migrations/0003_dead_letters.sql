-- What failed, why, and its bytes: execute's dead letters, and records and rows that the sink set
-- aside. `topic`, `partition` and `offset` name the record that the row was made from.
CREATE TABLE IF NOT EXISTS dead_letters
(
    dapp LowCardinality(String),
    topic LowCardinality(String),
    reason LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    key String CODEC(ZSTD(1)),
    value String CODEC(ZSTD(3)),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    message_id UUID,
    epoch UInt64 CODEC(Delta, ZSTD(1)),
    `partition` UInt32 CODEC(ZSTD(1)),
    `offset` UInt64 CODEC(Delta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (dapp, reason, time, topic, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000;
