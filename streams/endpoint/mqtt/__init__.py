"""The MQTT door: devices publish, and a PUBACK means that Kafka has the message.

Problem: most devices speak MQTT, and expect of it what a broker does: a PUBACK when the message is
safe. The naive way puts a broker in front and a bridge behind it: the broker acknowledges what
it has in memory, and the bridge loses it, or sends it twice.

Here the node is what the device speaks to. ``codec`` makes packets of bytes (MQTT 5 by the library
``mqtt5``, MQTT 3.1.1 by lifting its packets into those of MQTT 5), ``addresses`` says what a topic
means, ``connection`` is one client's protocol without any socket, ``sessions`` what outlives a
connection, ``door`` listens. Admission and appending are those of every door
(`streams.endpoint.intake`).

Sources: MQTT 3.1.1 and MQTT 5.0 (OASIS standards), cited as [3.1.1 section] and [5 section].
"""
