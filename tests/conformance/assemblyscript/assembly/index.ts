// W3bStream's ABI through its published AssemblyScript SDK, with the compiler's default runtime as
// the SDK's own examples have it: one handler for each thing, named by the event type.

import {
  Abort, GetDataByRID, GetDB, GetEnv, Log, SetDB, SubmitMetrics,
} from "@w3bstream/wasm-sdk";
import { Bytes } from "@w3bstream/wasm-sdk/assembly/database";
export { alloc } from "@w3bstream/wasm-sdk";

let counted: i32 = 0; // never outlives an event

export function log(rid: i32): i32 {
  Log("plain");
  Log("");
  Log("ünïcode ✓ \u{1F600}");
  Log(GetDataByRID(rid));
  return 7; // any code that is not negative is fine, and is passed on
}

export function data(rid: i32): i32 {
  const payload = GetDataByRID(rid);
  Log(payload.length.toString() + " UTF-16 units");
  Log("of no resource: '" + GetDataByRID(rid ^ 1) + "'");
  return payload.length;
}

export function kv(rid: i32): i32 {
  const key = GetDataByRID(rid);
  const before = GetDB(key);
  const count = before ? Bytes.toInt32(before) + 1 : 1;
  SetDB(key, Bytes.fromInt32(count));
  SetDB(key, Bytes.fromInt32(count * 10)); // the last one counts
  const now = GetDB(key);
  SetDB(key, Bytes.fromInt32(now ? Bytes.toInt32(now) / 10 : -1));
  SetDB("text", Bytes.fromString('"quoted"\n'));
  return count;
}

export function env(rid: i32): i32 {
  Log(GetEnv(GetDataByRID(rid))); // asserts, and so traps, where there is none
  return 0;
}

export function metrics(rid: i32): i32 {
  return SubmitMetrics(GetDataByRID(rid)); // asserts where the node refuses it
}

export function aborting(rid: i32): i32 {
  SetDB("before", Bytes.fromString("it is as if this had never been written"));
  if (GetDataByRID(rid) == "sdk") {
    Abort("text", "file.ts", 3, 5); // the SDK passes UTF-8, the node reads UTF-16; nothing traps
    return 0;
  }
  throw new Error("thrown: " + GetDataByRID(rid));
}

export function tracing(rid: i32): i32 {
  trace("none");
  trace("one", 1, 1.5);
  trace("five", 5, 0, -1, 1e21, 1e-7, 0.1);
  trace("special", 3, NaN, Infinity, -Infinity);
  return 0;
}

export function negative(rid: i32): i32 {
  SetDB("stays", Bytes.fromString("a refusal keeps what was written"));
  Log("refused");
  return -22;
}

export function counting(rid: i32): i32 {
  counted += 1;
  return counted; // 1 for every event: globals are fresh
}

export function first(rid: i32): i32 {
  counted += 1;
  SetDB("first", Bytes.fromInt32(counted));
  return 3;
}

export function second(rid: i32): i32 {
  const seen = GetDB("first");
  counted += 1; // again 1: each handler has a fresh instance
  SetDB("second", Bytes.fromInt32(seen ? Bytes.toInt32(seen) * 100 + counted : -1));
  return 4;
}

export { answered, contract, hello, readTx, sql, sqlWrong, transaction } from "./world";
