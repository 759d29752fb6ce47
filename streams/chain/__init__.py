"""Room 5, tell: certified commitments, and what programs ask for, onto chains, each once.

**Problem.** A transaction is not a message: it has a nonce that must be the next one, a fee that
may turn out too low, and a fate that nobody reports. The chain may be away, forget blocks that it
had shown, or take a transaction whose sender died before it heard so.

**Why the naive way fails.** Sending and then noting that one has sent loses the note in a crash:
the epoch goes out twice, or, with the note first, never. Asking the node for "the next nonce"
gives the same nonce twice or leaves a gap behind which everything waits. A transaction that was
mined can be unmined.

**The way taken.** One sender for a key and chain, held by a lock, whatever its transactions are
for: two would race for nonces. What is to be sent, its nonce and its
signed bytes are in a durable `journal` before the first byte leaves; a restart sends the same bytes
again, in nonce order. `nonces.plan` is a pure function from the journal and one look at the chain
to what has to be done: it finds what was mined, what the chain lost again, gaps, fees that are
too low. `sender` does it, thinly, and waits when there is nobody to talk to. The contract
(`contracts/w3bstream.vy`) takes an epoch once, so even the unforeseen does no harm. Its address is
a function of its code (`deployment`): the same after a local chain was wiped, so signatures stay
good.
"""
