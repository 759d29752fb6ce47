// What reaches beyond the program and its keyed state: SQL, chains, the node's own API.

import { ApiCall, CallContract, ExecSQL, GetDataByRID, Log, QuerySQL, SendTx } from "@w3bstream/wasm-sdk";
import { HTTP } from "@w3bstream/wasm-sdk/assembly/api";
import { Bool, Float64, Int32, Int64, String as Text, Time } from "@w3bstream/wasm-sdk/assembly/sql";

const TO = "0x00000000000000000000000000000000000000aa";

export function sql(rid: i32): i32 {
  ExecSQL("INSERT INTO readings (device, n, big, celsius, is_ok, at) VALUES (?,?,?,?,?,?)", [
    new Text(GetDataByRID(rid)), new Int32(-7), new Int64(9007199254740993), new Float64(21.5),
    new Bool(true), new Time("2023-11-14T22:13:20Z"),
  ]);
  Log(QuerySQL("SELECT device, n, big, celsius, is_ok FROM readings WHERE n = ?", [new Int32(-7)]));
  ExecSQL("UPDATE readings SET n = n + ? WHERE device = ?", [new Int32(1), new Text("a")]);
  Log(QuerySQL("SELECT count(*) AS number, max(n) AS highest FROM readings"));
  Log("'" + QuerySQL("SELECT n FROM readings WHERE device = 'nobody'") + "'");
  return 0;
}

export function sqlWrong(rid: i32): i32 {
  return ExecSQL(GetDataByRID(rid), []); // asserts
}

export function transaction(rid: i32): i32 {
  const id = SendTx(4690, TO, GetDataByRID(rid), "0x40c10f19");
  Log(id.length.toString() + " characters");
  return 0;
}

export function contract(rid: i32): i32 {
  Log(CallContract(4690, TO, "0x06fdde03")); // asserts where no chain is known
  return 0;
}

export function hello(rid: i32): i32 {
  ApiCall('{"Method":"GET","Url":"/system/hello","Header":{"Eventtype":["GREETED"]},"Body":""}');
  return 0;
}

export function readTx(rid: i32): i32 {
  HTTP.readTx("iotex-testnet", "0xaa", "TX");
  return 0;
}

/** The answer to an API call comes as an event of the type that was named. */
export function answered(rid: i32): i32 {
  Log(HTTP.parseResult(GetDataByRID(rid)));
  return 0;
}
