"""How records look in memory, in Zig: what the driver and the sink's encoder both read."""
