"""A Dapp whose right outcome needs no program to compute: it counts each device's messages.

State: the device's DID → how many of its messages counted, u32 little-endian. A result for each
message: the message. A payload that begins with `t` traps, one that begins with `n` returns -7.
"""

from pathlib import Path

import wasmtime

NAME = "tally"
PARTITIONS = 2

_PROGRAM = r"""(module
 (import "env" "ws_get_data" (func $get_data (param i32 i32 i32) (result i32)))
 (import "env" "ws_get_db" (func $get_db (param i32 i32 i32 i32) (result i32)))
 (import "env" "ws_set_db" (func $set_db (param i32 i32 i32 i32) (result i32)))
 (import "w3b" "device" (func $device (param i32 i32) (result i32)))
 (import "w3b" "result" (func $result (param i32 i32) (result i32)))
 (memory (export "memory") 24)
 (global $heap (mut i32) (i32.const 4096))
 (func (export "alloc") (param $n i32) (result i32)
   (global.get $heap)
   (global.set $heap (i32.add (global.get $heap) (local.get $n))))
 ;; 0: payload, 8: device, 16: what the device's key holds (address and size each), 24: the count
 (func (export "start") (param $rid i32) (result i32)
   (drop (call $get_data (local.get $rid) (i32.const 0) (i32.const 4)))
   (if (i32.eq (i32.load8_u (i32.load (i32.const 0))) (i32.const 116)) (then (unreachable)))
   (if (i32.eq (i32.load8_u (i32.load (i32.const 0))) (i32.const 110))
     (then (return (i32.const -7))))
   (drop (call $device (i32.const 8) (i32.const 12)))
   (if (i32.eqz (call $get_db (i32.load (i32.const 8)) (i32.load (i32.const 12))
                              (i32.const 16) (i32.const 20)))
     (then (i32.store (i32.const 24) (i32.load (i32.load (i32.const 16))))))
   (i32.store (i32.const 24) (i32.add (i32.load (i32.const 24)) (i32.const 1)))
   (drop (call $set_db (i32.load (i32.const 8)) (i32.load (i32.const 12))
                       (i32.const 24) (i32.const 4)))
   (call $result (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
"""

BINARY = bytes(wasmtime.wat2wasm(_PROGRAM))

_MANIFEST = f"""
[dapp]
name = "{NAME}"
version = "1.0.0"
description = "Counts each device's messages"
trust_model = "cloud"
consensus = "poa"
partitions = {PARTITIONS}

[program]
file = "tally.wasm"

[epochs]
seconds = 5
"""


def write(folder: Path, name: str = NAME) -> Path:
    """The Dapp's folder, for `w3b dapp add`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tally.wasm").write_bytes(BINARY)
    (folder / "program.toml").write_text(_MANIFEST.replace(f'"{NAME}"', f'"{name}"'))
    return folder
