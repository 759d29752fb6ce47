"""Who and what a node knows: owners, their devices and grants, and the Dapps it serves.

Problem: every message needs the answer to "who is this, and may they?" within microseconds, in
every process of a node, and a revocation must bite at once. The naive way, a database asked for
each message, cost the original node four joins an event; a cache in front of it answers with
what was true a while ago.

Here each change is a record on the compacted topic ``registry``. Every process reads that topic
from its beginning into dictionaries (`Registry`), goes on reading, and so sees a change a few
milliseconds after it was written (`RegistryWriter`); a lookup is one dictionary access. The log
is the one truth: nothing has to be invalidated, and a process that restarts reads it again.
"""
