"""2 run: a Dapp's WebAssembly program over batches of messages, with keyed state.

The problem: unchanged W3bStream programs expect a fresh instance for each event and host
functions around it (`ws_get_data`, `ws_set_db`, …), and nothing that they do may be lost,
doubled, or left half done when they trap.

The naive way, an instance an event with host functions in Python, runs 2,100 events a second:
a call from wasm into Python costs 10-40 µs, instantiation as much again.

The way taken: the host lives in wasm too (`driver`), so that one call from Python runs a batch;
an instance is put back to its snapshot by copying memory and globals, which a rewrite of the
binary makes possible (`rewrite`, `metering`, `linking`); keyed state lies in the driver's map,
with an undo log that takes back an event that failed and batches whose transaction aborted
(`instance`); SQL, which wasm cannot do, is asked of Python (`outside`, `sql`); a `Worker` commits
what a batch made together with its offsets.
"""
