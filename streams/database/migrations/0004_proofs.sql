-- What the network proves: claims by their place in the Merkle trees, each partition's summary of
-- an epoch, and the certified commitments. Roots are hexadecimal; a claim's salt is binary.
CREATE TABLE IF NOT EXISTS claims
(
    dapp LowCardinality(String),
    epoch UInt64 CODEC(Delta, ZSTD(1)),
    `index` UInt32 CODEC(Delta, ZSTD(1)),
    subject String CODEC(ZSTD(1)),
    statement String CODEC(ZSTD(3)),
    salt FixedString(16),
    device String CODEC(ZSTD(1)),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    message_id UUID,
    event_type LowCardinality(String),
    program FixedString(16) CODEC(ZSTD(1)),
    `partition` UInt32 CODEC(ZSTD(1)),
    `offset` UInt64 CODEC(Delta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX subject_filter subject TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (dapp, epoch, `partition`, `index`)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS summaries
(
    dapp LowCardinality(String),
    epoch UInt64,
    epoch_partition UInt32,
    program FixedString(16),
    input_root FixedString(64),
    claims_root FixedString(64),
    state_root FixedString(64),
    messages UInt64,
    repeats UInt64,
    dead UInt64,
    results UInt64,
    claims UInt64,
    time DateTime64(3, 'UTC'),
    `partition` UInt32,
    `offset` UInt64,
    received DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (dapp, epoch, epoch_partition)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS commitments
(
    dapp LowCardinality(String),
    epoch UInt64,
    body String CODEC(ZSTD(3)),
    `partition` UInt32,
    `offset` UInt64,
    received DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (dapp, epoch)
SETTINGS non_replicated_deduplication_window = 10000;
