"""How fast a node is, each figure beside that of a plainer way of doing the same.

``python -m tests.benchmarks`` runs all of them on components of its own, baseline and node in
turns, so that whatever else the machine does hits both alike. Ratios are what to read: the
figures themselves say as much of the machine.
"""
