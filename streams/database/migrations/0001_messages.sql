-- What devices sent. Partitioned by the log's own time: a device's clock may say anything, and a
-- block over hundreds of table partitions would be refused. Every row names its record in Kafka.
-- The deduplication window is what lets the sink send its last block again (`sink.py`).
CREATE TABLE IF NOT EXISTS messages
(
    dapp LowCardinality(String),
    device String CODEC(ZSTD(1)),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    message_id UUID,
    event_type LowCardinality(String),
    payload String CODEC(ZSTD(3)),
    `partition` UInt32 CODEC(ZSTD(1)),
    `offset` UInt64 CODEC(Delta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (dapp, device, time, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000;
