"""Kafka, ClickHouse and a chain as child processes, for one machine.

The problem: the node's path is only real on real components, and a newcomer has neither a
container engine nor root. Stand-ins would be easy and would prove nothing.

The way taken: each component is the real thing from a package registry (Kafka's jars from Maven,
ClickHouse's engine from PyPI's `chdb-core`, anvil from npm). A module here says, for one of them,
how it is prepared, started, asked whether it is well, and stopped; `topologies.supervisor` does
it. The same questions (`probe`) are put to a component that somebody else runs. Prometheus is one
more, where it is installed: a node runs without it.

All of them listen on the loopback address only. ClickHouse also asks for a password, made on the
first start: a page in a browser can post to a loopback port, and ClickHouse would run its SQL.
"""
