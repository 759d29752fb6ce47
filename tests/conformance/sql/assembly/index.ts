// SQL through W3bStream's published AssemblyScript SDK: every kind of parameter, statements as its
// users wrote them (register a device, keep a reading if it is active), and what cannot be done.

import { ExecSQL, GetDataByRID, Log, QuerySQL } from "@w3bstream/wasm-sdk";
import {
  Bool, Bytes, Float32, Float64, Int32, Int64, String as Text, Time,
} from "@w3bstream/wasm-sdk/assembly/sql";
export { alloc } from "@w3bstream/wasm-sdk";

export function register(rid: i32): i32 {
  const sql = `INSERT INTO "device_registry" (device_id, is_active) VALUES (?,?);`;
  return ExecSQL(sql, [new Text(GetDataByRID(rid)), new Bool(true)]);
}

// The payload: device, reading and time, with a blank between.
export function reading(rid: i32): i32 {
  const parts = GetDataByRID(rid).split(" ");
  const found = QuerySQL(
    "SELECT is_active FROM device_registry WHERE device_id = '" + parts[0] + "'",
  );
  if (found != '{"is_active":true}') return -3;
  return ExecSQL(
    `INSERT INTO "data_table" (public_key,sensor_reading,timestamp) VALUES (?,?,?);`,
    [new Text(parts[0]), new Text(parts[1]), new Text(parts[2])],
  );
}

// The SDK's own base64 shifts bytes without widening them: what arrives is not what was given.
export function everything(rid: i32): i32 {
  const bytes = Uint8Array.wrap(String.UTF8.encode(GetDataByRID(rid)));
  return ExecSQL("INSERT INTO everything VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [
    new Int32(i32.MIN_VALUE), new Int64(i64.MAX_VALUE), new Float32(0.1), new Float64(-1.5e-10),
    new Text("it's \"quoted\"\n✓"), new Time("2024-02-29T12:00:00.5+02:00"), new Bool(false),
    new Bytes(bytes), new Float64(12.5),
  ]);
}

export function exec(rid: i32): i32 {
  return ExecSQL(GetDataByRID(rid), []);
}

export function query(rid: i32): i32 {
  Log(QuerySQL(GetDataByRID(rid)));
  return 0;
}

// Writes, then asks for what cannot be answered: the SDK asserts, and nothing stays.
export function failing(rid: i32): i32 {
  ExecSQL("DELETE FROM device_registry", []);
  QuerySQL(GetDataByRID(rid));
  return 0;
}
