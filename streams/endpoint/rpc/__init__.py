"""The gRPC door: for gateways and devices that send many messages, or send them all the time.

Problem: a fleet's gateway has a stream of messages, wants to know of each one whether it is safe,
and must neither wait for one before it sends the next nor fill the node's memory. The naive way
is a request each, or a stream whose acknowledgements count what arrived in memory.

Here ``messages.proto`` describes the door (and is served by reflection): a message, a batch, or a
stream whose messages are acknowledged one by one, each once Kafka has it. A stream with too many
messages on their way to Kafka is not read on, so that HTTP/2's flow control holds its sender up.
``requests`` reads what came in, ``stream`` is one stream's course, ``door`` listens, ``statuses``
says what each refusal is called. Admission and appending are those of every door
(`streams.endpoint.intake`).

``messages_pb2.py`` and its types are generated from ``messages.proto`` (``build``) and kept in the
tree, so that neither a node nor a checker of types needs the compiler; a test holds them to it.
"""
