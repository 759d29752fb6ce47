// A thermometer's readings in; a row for each, and a claim when one is over the limit.
// Change it into what you need: `w3b program test` says what changed with it.
//
// Every message finds a fresh instance: nothing in this module outlives a message. What has to be
// remembered goes through SetDB.

import { GetDataByRID, GetDB, GetEnv, JSON, SetDB } from "@w3bstream/wasm-sdk";
import { Bytes } from "@w3bstream/wasm-sdk/assembly/database";
export { alloc } from "@w3bstream/wasm-sdk";

import * as w3b from "./w3b";

const OK: i32 = 0;
const REFUSED: i32 = -1; // any negative code makes the message a dead letter

/** Called once per message; `rid` is the handle of its payload. */
export function start(rid: i32): i32 {
  const payload = JSON.parse(GetDataByRID(rid)); // traps if it is no JSON: a dead letter, too
  const reading = payload.isObj ? (<JSON.Obj>payload).getValue("celsius") : null;
  if (!reading || !(reading.isFloat || reading.isInteger)) {
    w3b.log(w3b.Level.Error, "a reading is a JSON object with a number in `celsius`");
    return REFUSED;
  }
  const celsius = parseFloat(reading.toString());

  const device = w3b.device();
  const kept = GetDB(device);
  const highest = kept ? Math.max(Bytes.toFloat64(kept), celsius) : celsius;
  SetDB(device, Bytes.fromFloat64(highest));

  w3b.result(`{"celsius":${celsius},"highest":${highest}}`);
  if (celsius > parseFloat(GetEnv("LIMIT_CELSIUS"))) {
    w3b.claim(device, `{"celsius":${celsius},"time_ms":${w3b.time()}}`);
  }
  return OK;
}
