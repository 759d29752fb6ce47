"""Support room: batches from Kafka, transactions to Kafka, and what is left when something fails.

The problem: hundreds of thousands of messages a second have to go through Python without Python
touching each one, and none may be lost or counted twice at any ``kill -9``.

The naive way, an ``async for`` over events that commits as it goes, costs 150 µs an event in
Faust and acknowledges what it has not finished: an exception, a rebalance or a crash in the
middle loses or repeats messages.

The way taken: the unit of work is a batch. A `BatchReader` owns a confluent-kafka consumer on a
thread of its own and packs each partition's messages into one buffer (`pack`) that wasm reads
in one call. What comes out commits with the batch's input offsets in one Kafka transaction
(`Transaction`), fenced by the group metadata that was current when the batch was fetched.
"""
