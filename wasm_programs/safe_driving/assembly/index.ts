// Safe driving: one car's OBD-II samples in, events of note and scored trips out.
//
// W3bStream runs a handler in a fresh instance: nothing in this module outlives a message. All
// that is remembered of a car is one binary blob under its device's key.

import { GetDataByRID, GetDB, SetDB } from "@w3bstream/wasm-sdk";
export { alloc } from "@w3bstream/wasm-sdk";

import * as telemetry from "./telemetry";
import * as trip from "./trip";
import * as w3b from "./w3b";
import * as writer from "./writer";

const OK: i32 = 0;
const REFUSED: i32 = -1;

/** One sample of one car. Refused samples leave no trace in the car's state. */
export function start(rid: i32): i32 {
  if (!telemetry.read(GetDataByRID(rid))) {
    w3b.logError(writer.address(), writer.size());
    return REFUSED;
  }
  const device = w3b.device();
  const blob = trip.open(GetDB(device));
  const state = changetype<trip.Trip>(changetype<usize>(blob));
  if (trip.take(state, device, w3b.time())) SetDB(device, blob);
  return OK;
}
