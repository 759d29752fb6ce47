"""A program's SQL database: W3bStream's PostgreSQL statements on SQLite, exactly once.

The problem: programs of the original node speak SQL to a PostgreSQL database of their project.
What they write has to be as the event that wrote it: undone with it when it traps, in Kafka with
the batch or not at all, back after a restart, the same on every node and on every replay.

The naive way, a PostgreSQL beside the node, would be a second place that commits: a transaction
there and one in Kafka cannot be made one, `now()` and `random()` are the server's own, and no
root could be computed over what it holds.

The way taken: SQLite in memory is the place where statements run (`store`), and no more than an
index over rows that lie, as bytes, with the keyed state of the partition. A statement is
translated once (`translate`) and runs with functions of our own, whose clock and dice come from
the message (`functions`). When an event is over, a session (the changeset of apsw) says which
rows it changed; each becomes one record, ``q`` + table + row number → the row as JSON, or null
if it is gone (`rows`). The driver keeps these records beside the keyed state: its undo log takes
them back, its tree puts them under the state root, each goes once a batch to the compacted
``state.<dapp>``, where only the newest image of a row is kept. A changeset itself could not stay
there: kept for each batch they would pile up for ever, overwritten they would be lost.

On assignment the driver has the records back, and the store is filled with them. A transaction
that aborts takes the driver's records back and, by the inverse of the events' changesets,
SQLite's rows.
"""
