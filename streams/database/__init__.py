"""Room 3: keep. Blocks of rows into ClickHouse, exactly once.

The problem: every record of ``messages``, ``results``, ``claims`` and ``dead`` topics has to be
one row, at any ``kill -9`` of the sink, of Kafka or of ClickHouse.

The naive way asks the table how far it got (``max(offset)``) and goes on from there. A block that
spans table partitions is not atomic, so a server killed in the middle keeps a part of it and the
maximum hides the hole; rows of a client that died appear seconds later; retention resets the
maximum. Replaying with other block boundaries than the first time makes duplicates.

The way taken: before each insert the sink commits to Kafka, as the consumer group's offset and
its metadata, which block comes next: from, to, token. Whoever gets the partition next reads
exactly that block again and sends it with the same token, so that ClickHouse's deduplication
completes what is missing and drops what is there; then it goes on from ``to``. The commit is
fenced by the group, so a sink that lost its partition cannot record anything.

Rows are made in wasm (`encoder`); cutting and recording blocks is pure (`blocks`); `sink` is the
I/O around them; `migrations` is the schema's history; `views` types a Dapp's results and its SQL
tables; `query` answers analysts, read-only; `saved` a Dapp's users, as a user of ClickHouse whose
`rights` end at that Dapp; `retention` lets rows go by age, `rebuild` has them stored anew.
"""
