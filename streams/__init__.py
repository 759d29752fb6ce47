"""What each part of a W3bStream node does.

Rooms, in the order in which a device's message passes through them::

    endpoint   1 in      a door: who sends, may they, has Kafka got it
    execution  2 run     a Dapp's WebAssembly program over batches, with keyed state
    database   3 keep    blocks of rows into ClickHouse, exactly once
    consensus  4 agree   what the authorities sign: pure state machines
    chain      5 tell    transactions, contracts; what happens on chains
    effects    6 act     what programs asked of the world, and its answers

Numbered rooms never import each other: they meet in the records (`streams.records`) that they
write to and read from Kafka's topics (`streams.topics`). Support rooms (delivery, registry,
wallet, filesystem) import no numbered room. Nothing here imports Faust or `topologies`, so
every room can be tested without a broker.
"""
