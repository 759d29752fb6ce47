"""The contracts and their compiled form; see `streams.chain.contracts.build`."""
