"""Programs that a node runs, and what builds them (`python -m wasm_programs.build`)."""
