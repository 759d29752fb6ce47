"""A program whose messages are SQL requests."""

from tests.execution.guests import PRELUDE, wasm

# The payload's first byte: q asks and keeps the answer under a key, e executes, t executes and
# traps, n executes and returns -7. The rest is the request; the handler's code is the call's.
_IMPORTS = """
 (import "env" "ws_get_sql_db" (func $query (param i32 i32 i32 i32) (result i32)))
 (import "env" "ws_set_sql_db" (func $exec (param i32 i32) (result i32)))
"""
_HANDLER = """
 (func (export "start") (param $rid i32) (result i32) (local $what i32) (local $code i32)
   (call $read (local.get $rid))
   (local.set $what (i32.load8_u (call $in)))
   (if (i32.eq (local.get $what) (i32.const 113)) (then
     (local.set $code (call $query (i32.add (call $in) (i32.const 1))
       (i32.sub (call $len) (i32.const 1)) (i32.const 24) (i32.const 28)))
     (if (i32.eqz (local.get $code)) (then
       (drop (call $set_db (i32.const 64) (i32.const 9)
         (i32.load (i32.const 24)) (i32.load (i32.const 28))))))
     (return (i32.add (local.get $code) (i32.const 100)))))
   (local.set $code (call $exec (i32.add (call $in) (i32.const 1))
     (i32.sub (call $len) (i32.const 1))))
   (if (i32.eq (local.get $what) (i32.const 116)) (then (unreachable)))
   (if (i32.eq (local.get $what) (i32.const 110)) (then (return (i32.const -7))))
   (i32.add (local.get $code) (i32.const 100)))
"""
BINARY = wasm(_IMPORTS + PRELUDE + _HANDLER, prelude="")
