"""Small programs in WebAssembly text, each for one thing that a test wants to see."""

import wasmtime

from streams.execution.program import Ceilings, Program, Specification, load

# What every guest here has: imports, a memory, an allocator that moves on, `$in` (address of the
# payload after $read) and `$len`.
PRELUDE = r"""
 (import "env" "ws_get_data" (func $get_data (param i32 i32 i32) (result i32)))
 (import "env" "ws_set_data" (func $set_data (param i32 i32 i32) (result i32)))
 (import "env" "ws_get_db" (func $get_db (param i32 i32 i32 i32) (result i32)))
 (import "env" "ws_set_db" (func $set_db (param i32 i32 i32 i32) (result i32)))
 (import "env" "ws_get_env" (func $get_env (param i32 i32 i32 i32) (result i32)))
 (import "env" "ws_log" (func $log (param i32 i32 i32) (result i32)))
 (import "env" "seed" (func $seed (result f64)))
 (import "stat" "ws_submit_metrics" (func $metrics (param i32 i32) (result i32)))
 (import "w3b" "result" (func $result (param i32 i32) (result i32)))
 (import "w3b" "claim" (func $claim (param i32 i32 i32 i32) (result i32)))
 (import "w3b" "device" (func $device (param i32 i32) (result i32)))
 (import "w3b" "event_type" (func $event_type (param i32 i32) (result i32)))
 (import "w3b" "time" (func $time (result i64)))
 (memory (export "memory") 1)
 (global $heap (mut i32) (i32.const 4096))
 (global $count (mut i32) (i32.const 0))
 (data (i32.const 64) "state:key of the program")
 (func (export "alloc") (param $n i32) (result i32)
   (global.get $heap)
   (global.set $heap (i32.add (global.get $heap) (local.get $n))))
 (func $read (param $rid i32)
   (drop (call $get_data (local.get $rid) (i32.const 0) (i32.const 4))))
 (func $in (result i32) (i32.load (i32.const 0)))
 (func $len (result i32) (i32.load (i32.const 4)))
"""


def wasm(body: str, prelude: str = PRELUDE) -> bytes:
    """A module of the prelude and this."""
    return bytes(wasmtime.wat2wasm(f"(module {prelude} {body})"))


def program(
    body: str,
    instance: str = "fresh",
    ceilings: Ceilings | None = None,
    env: dict[str, str] | None = None,
    routes: dict[str, str | list[str]] | None = None,
) -> Program:
    """A loaded program whose handler is `start`."""
    specification = Specification(
        routes or {"DEFAULT": "start"},
        instance=instance,
        env=env or {},
        ceilings=ceilings or Ceilings(),
    )
    return load(wasm(body), specification)


# Payload -> a result, and the payload becomes the value of one key.
KEEPER = """
 (func (export "start") (param $rid i32) (result i32)
   (call $read (local.get $rid))
   (drop (call $set_db (i32.const 64) (i32.const 9) (call $in) (call $len)))
   (call $result (call $in) (call $len)))
"""

# The payload's first byte decides: t traps, n returns -7, l loops for ever, g grows memory,
# w writes results for ever, c claims, r recurses for ever; anything else is fine. All write the
# payload under a key first.
ACTOR = """
 (func $recurse (param i32) (result i32)
   (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
 (func (export "start") (param $rid i32) (result i32) (local $what i32)
   (call $read (local.get $rid))
   (drop (call $set_db (i32.const 64) (i32.const 9) (call $in) (call $len)))
   (local.set $what (i32.load8_u (call $in)))
   (if (i32.eq (local.get $what) (i32.const 116)) (then (unreachable)))
   (if (i32.eq (local.get $what) (i32.const 110)) (then
     (drop (call $log (i32.const 2) (i32.const 70) (i32.const 8)))
     (return (i32.const -7))))
   (if (i32.eq (local.get $what) (i32.const 108)) (then (loop $l (br $l))))
   (if (i32.eq (local.get $what) (i32.const 103)) (then
     (drop (memory.grow (i32.const 1)))))
   (if (i32.eq (local.get $what) (i32.const 119)) (then
     (i32.store16 (i32.const 32) (i32.const 0x7d7b))
     (loop $l (drop (call $result (i32.const 32) (i32.const 2))) (br $l))))
   (if (i32.eq (local.get $what) (i32.const 99)) (then
     (drop (call $claim (i32.const 64) (i32.const 5) (call $in) (call $len)))))
   (if (i32.eq (local.get $what) (i32.const 114)) (then
     (drop (call $recurse (i32.const 0)))))
   (i32.const 0))
"""


def padded(program: bytes, size: int) -> bytes:
    """With a custom section behind it, so that it is as large."""
    room = size - len(program) - 1 - 5  # a section's id, and a length of five bytes
    length = bytes(
        (room >> shift) & 0x7F | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7)
    )
    return program + b"\x00" + length + b"\x01x" + bytes(room - 2)
