"""Packed batches to RowBinary rows, in wasm.

The problem: a record has to become a row of ClickHouse's without costing what a row costs in
Python, several microseconds each, with the GIL held.

The way taken: `encoder.zig` reads a whole packed batch and writes RowBinary, one call a batch,
outside the GIL; `host.py` loads it and joins bytes; ``python -m streams.database.encoder.build``
compiles it.
"""
