-- Who did what, when and by which door, and who was refused: a row of each record of topic `audit`.
-- `before` and `after` are JSON objects of what differs, empty where there was or is nothing.
CREATE TABLE IF NOT EXISTS audit
(
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    who String CODEC(ZSTD(1)),
    door LowCardinality(String),
    action LowCardinality(String),
    kind LowCardinality(String),
    name String CODEC(ZSTD(1)),
    owner String CODEC(ZSTD(1)),
    device String CODEC(ZSTD(1)),
    dapp LowCardinality(String),
    reason LowCardinality(String),
    times UInt64 CODEC(ZSTD(1)),
    before String CODEC(ZSTD(3)),
    after String CODEC(ZSTD(3)),
    `partition` UInt32 CODEC(ZSTD(1)),
    `offset` UInt64 CODEC(Delta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX owner_filter owner TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX device_filter device TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (at, `partition`, `offset`)
TTL received + INTERVAL 5 YEAR
SETTINGS non_replicated_deduplication_window = 10000;
