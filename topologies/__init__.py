"""How the parts are wired into a node, and how one machine runs it.

The problem: a node is several processes (doors, execution, the sink, the chain's submitter) on a
Kafka, a ClickHouse and a chain. Somebody who wants to try it has none of these running, and
somebody who operates it has all of them elsewhere.

The naive way, a script that starts everything in the background, leaves processes behind when it
dies, hides why one of them did not start, and cannot be pointed at an existing Kafka.

The way taken: `streams` knows what each thing does and nothing of processes; this package knows
which parts a process runs (`node`, `agents`), how a machine gets the components (`components`),
how processes are kept alive and never left behind (`supervisor`), and one set of settings
(`config`) that replaces any local component by the address of an existing one. Only here is Faust
imported.
"""
