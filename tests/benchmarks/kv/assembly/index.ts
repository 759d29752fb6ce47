// What the SDK's example of its key-value functions does: a key of each type that the SDK has is
// set, read back and logged. 8 sets, 8 gets and 9 log lines an event.

import { GetDataByRID, GetDB, Log, SetDB } from "@w3bstream/wasm-sdk";
import { Bytes } from "@w3bstream/wasm-sdk/assembly/database";
export { alloc } from "@w3bstream/wasm-sdk";

function stored(key: string, value: ArrayBuffer): ArrayBuffer {
  SetDB(key, value);
  const read = GetDB(key);
  assert(read !== null, key);
  return read!;
}

export function start(rid: i32): i32 {
  const payload = GetDataByRID(rid);
  const count = payload.length;
  Log("an event of " + count.toString() + " characters");
  Log("text: " + Bytes.toString(stored("text", Bytes.fromString("some text"))));
  Log("i32: " + Bytes.toInt32(stored("i32", Bytes.fromInt32(-count))).toString());
  Log("i64: " + Bytes.toInt64(stored("i64", Bytes.fromInt64(-count))).toString());
  Log("u32: " + Bytes.toUint32(stored("u32", Bytes.fromUint32(count))).toString());
  Log("u64: " + Bytes.toUint64(stored("u64", Bytes.fromUint64(count))).toString());
  Log("bool: " + Bytes.toBool(stored("bool", Bytes.fromBool(count > 0))).toString());
  Log("f32: " + Bytes.toFloat32(stored("f32", Bytes.fromFloat32(1.5))).toString());
  Log("f64: " + Bytes.toFloat64(stored("f64", Bytes.fromFloat64(2.25))).toString());
  return 0;
}
