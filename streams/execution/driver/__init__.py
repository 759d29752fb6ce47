"""The host of W3bStream programs, in Zig, compiled to wasm: see driver.zig."""
