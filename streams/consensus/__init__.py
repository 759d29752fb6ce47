"""Room 4, agree: from what partitions say about an epoch to a checkpoint that authorities signed.

**Problem.** At each barrier every partition of a Dapp says which inputs, state and claims its epoch
came to. Somebody on a chain, who saw none of it, shall believe one claim among millions.

**Why the naive way fails.** Signing each claim costs a signature a claim and says nothing about
what was left out. Signing when "most" partitions have spoken makes two nodes sign different
things. Signing what a leader sends makes the leader the only judge. And a committed read position
in the middle of an epoch loses that epoch's summaries in the next crash.

**The way taken.** `combine` waits until all partitions have spoken and folds their roots, in
partition order, into one `streams.commitments.Checkpoint`; an authority signs only the one that
it computed itself, once an epoch. `poa` makes a checkpoint final when a majority signed it;
`quorum` says what a majority is. `merkle` holds the trees (RFC 6962) and a claim's proof. `Agree`
runs them over the records of ``claims.<dapp>``; the positions that it gives back to commit always
lie between two epochs, so a crash re-reads whole epochs. All of it is free of I/O, and of clocks
of its own.
"""
