-- What programs submitted with ws_submit_metrics: JSON objects, for analysts. `account` and `project` are
-- W3bStream's names, so that queries written for its ws_metrics.customized_metrics work here.
CREATE TABLE IF NOT EXISTS customized_metrics
(
    dapp LowCardinality(String),
    device String CODEC(ZSTD(1)),
    time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    message_id UUID,
    json String CODEC(ZSTD(3)),
    `partition` UInt32 CODEC(ZSTD(1)),
    `offset` UInt64 CODEC(Delta, ZSTD(1)),
    received DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    account String ALIAS '',
    project String ALIAS dapp
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(received)
ORDER BY (dapp, time, `partition`, `offset`)
SETTINGS non_replicated_deduplication_window = 10000;
