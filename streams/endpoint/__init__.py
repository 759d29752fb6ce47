"""Room 1, in: the doors through which devices' messages reach Kafka.

Problem: a device must know whether its message is safe, a Dapp must get only what an owner
granted, and a hundred thousand messages a second have to pass. The naive door acknowledges when
it has the message in memory and asks a database about every one: a crash loses what was
acknowledged, and the database sets the pace.

Here a door (`http`) turns what came in into records (`bodies`), asks one admission (`admission`,
pure: dictionary lookups in the registry's view) and answers only once every in-sync replica of
Kafka has them (`append`, or `transactions` when a message goes to several Dapps at once). Work is
done a request at a time, never a message at a time. Every refusal has one name, the same at
every door and in the metrics. A retry with the same id is recognised further on, in execute, so
a door never has to remember what it wrote.

Devices prove who they are by signing a challenge, and then carry a short-lived token (`tokens`);
neither is stored, so any number of endpoint processes can share the work.

A clock is a door too (`schedule`, pure): its ticks are messages, and nobody sends them again.
"""
