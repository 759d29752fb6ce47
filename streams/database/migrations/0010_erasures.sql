-- What erasures took out, by place and table: as many rows as there were when it was first looked. A place
-- that is done has a row with an empty `table`, whose `rows` are the keys of keyed state that went. An
-- erasure that is carried out again, after a crash or a rebuild, finds less, and changes nothing here.
-- `devices`: whose records before `offset` have no rows, so that a rebuild makes none.
CREATE TABLE IF NOT EXISTS erasures
(
    erasure UUID,
    dapp LowCardinality(String),
    topic LowCardinality(String),
    `partition` UInt32,
    `offset` UInt64,
    `table` LowCardinality(String),
    rows UInt64,
    devices Array(String),
    ordered DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(rows)
ORDER BY (topic, `partition`, `offset`, erasure, `table`);
