"""Room 6, act: what programs asked of the world leaves the node, and what it answers comes back.

**Problem.** A program runs inside a Kafka transaction that may be aborted and run again, so it
cannot publish, pay or call while it runs: it would do so twice, or for an event that never was.
It can only say what it wants. Whoever carries that out later may die in between, and the world
has no transactions to join.

**Why the naive way fails.** Acting and then noting that one has acted repeats what was done before
a crash; the other way round loses it. And an answer that is handed to the program out of band
comes at another place in each replay, so that no two runs agree.

**The way taken.** Effects are records, committed with the batch that asked for them, so they are
there exactly if their event counted. `worker` reads them (`read_committed`) and commits a
position only when they are in safe hands: an MQTT broker has acknowledged them (`mqtt`: at least
once, which is what QoS 1 means), or a journal knows their ids (`act`, transactions: once). Each
kind has a consumer group of its own, so a broker that is away holds up no transaction. Answers
(`answers`) are ordinary messages of the device whose event asked, with an id that follows from the
effect's: a repeat is dropped like a device's, and every replay meets them at the same place. What
nobody could carry out becomes a dead letter, with its bytes.
"""
