"""Support room: who did what, when and by which door; and who was sent away, how often and why.

The problem: a registry tells what is, not how it came about. Who revoked a device, and what was
granted before, has to be known a year later, of changes by any door; and so has who was refused.

The naive way, a line in a log file, is written by each door in its own words, lies on one machine,
is lost with it, and says that a change was made that Kafka did not take. A line for each refusal
lets whoever is refused a million times fill a disk.

The way taken: an audit record (`record`) is a record of the topic ``audit``, of one form. That of a
change is written in the change's own transaction (`log.write_of`), so neither is there without the
other. Refusals are counted by door, reason and sender (`refusals`) and leave as one record each a
minute, in bounded number. The sink makes one row of table ``audit`` of each record.
"""
