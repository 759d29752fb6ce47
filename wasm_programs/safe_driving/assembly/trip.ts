// What is remembered of one car, and the rules that turn its samples into events.
//
// Rates are speed differences over the message's own time, taken over windows of at least 0.9 s:
// OBD-II gives speed in whole km/h, so over 0.5 s one digit would already be 0.6 m/s². Thresholds
// are those in use for passenger cars:
//   braking       7 mph in a second (3.13 m/s²): "moderate" at Verizon Connect ("How harsh driving
//                 events are analyzed for drivers"); Google's road-safety work on hard braking
//                 events uses 3 m/s²
//   acceleration  0.37 g (3.63 m/s²): GPS Insight's default for vehicles up to 6,000 lb
//   idling        3 minutes: New York City's limit (Administrative Code § 24-163)
//   fuel trim     short plus long term trim beyond ±10 %: the workshop's rule for "too lean" or
//                 "too rich" (a fault code is set at about 25 %)
// All arithmetic is IEEE 754 double, without library functions, so that every node agrees.

import { Log } from "@w3bstream/wasm-sdk";

import * as telemetry from "./telemetry";
import * as w3b from "./w3b";
import * as writer from "./writer";

const BRAKE_MS2: f64 = 3.13;
const ACCELERATION_MS2: f64 = 3.63;
const RATE_WINDOW_MS: i64 = 900;
const RATE_WINDOW_MAX_MS: i64 = 3_000; // over a longer one a rate says nothing about a pedal
const GAP_MS: i64 = 300_000; // silence that ends a trip
const ENGINE_OFF_MS: i64 = 120_000; // a stop-start engine rests for less
const SPEEDING_TOLERANCE: f64 = 1.05; // speedometers may show up to 10 % + 4 km/h more (UN R39)
const SPEEDING_MIN_MS: i64 = 5_000;
const DEFAULT_LIMIT_KMH: f64 = 120.0; // of a car that does not know its road's
const IDLING_MIN_MS: i64 = 180_000;
const TRIM_NOTE_PCT: f64 = 10.0;
const TRIM_WARM_C: f64 = 70.0; // below, the engine runs rich on purpose
const TRIM_WINDOW_SAMPLES: f64 = 60.0; // of the moving mean
const TRIP_MIN_MS: i64 = 60_000; // shorter and under 100 m: moving the car, not a trip
const TRIP_MIN_M: f64 = 100.0;

const VERSION: u32 = 1;
const DRIVING: u32 = 1; // flags
const BRAKING: u32 = 2;
const ACCELERATING: u32 = 4;
const TRIM_NOTED: u32 = 8;

/** The state as it lies in the node's store: 168 bytes, little-endian. 0 means "not running". */
@unmanaged
export class Trip {
  version: u32;
  flags: u32;
  number: u32; // of this trip, counted from 1; the yard counts, too
  harshBrakes: u32;
  harshAccelerations: u32;
  trimSamples: u32;
  startMs: i64;
  lastMs: i64;
  lastKmh: f64;
  lastRunTimeS: f64;
  distanceM: f64;
  maxKmh: f64;
  anchorMs: i64; // where the present rate window began
  anchorKmh: f64;
  stillSinceMs: i64; // engine running, car standing
  idleMs: i64;
  offSinceMs: i64;
  speedingSinceMs: i64;
  speedingPeakKmh: f64;
  speedingLimitKmh: f64;
  speedingMs: i64;
  ltftSum: f64;
  stftSum: f64;
  trimMean: f64;
}

/** A blob for a car that was never heard of, or `stored` if it can be read. */
export function open(stored: ArrayBuffer | null): ArrayBuffer {
  if (stored !== null && stored.byteLength == <i32>offsetof<Trip>()) {
    if (changetype<Trip>(changetype<usize>(stored)).version == VERSION) return stored;
  }
  const blob = new ArrayBuffer(<i32>offsetof<Trip>());
  changetype<Trip>(changetype<usize>(blob)).version = VERSION;
  return blob;
}

let placed: bool = false; // whether this sample's position is where the row's event happened

/** Take the sample that `telemetry` holds; false if nothing had to be remembered. */
export function take(trip: Trip, device: string, nowMs: i64): bool {
  const on = !telemetry.has(telemetry.IGNITION) || telemetry.value(telemetry.IGNITION) != 0.0;
  const kmh = telemetry.value(telemetry.SPEED_KMH);
  const running = telemetry.value(telemetry.RPM) > 0.0 || kmh > 0.0;
  let changed = false;
  if (trip.flags & DRIVING) {
    const silenceMs = nowMs - trip.lastMs;
    placed = false; // these end at the sample before this one
    if (silenceMs > GAP_MS || silenceMs < -GAP_MS) {
      finish(trip, device, "gap");
      changed = true;
    } else if (telemetry.value(telemetry.RUN_TIME_S) + 1.0 < trip.lastRunTimeS) {
      finish(trip, device, "restart");
      changed = true;
    }
  }
  placed = telemetry.has(telemetry.LAT) && telemetry.has(telemetry.LON);
  if (!(trip.flags & DRIVING)) {
    if (!on || !running) return changed;
    begin(trip, kmh, nowMs);
  }
  advance(trip, kmh, nowMs);
  noteRate(trip, kmh, nowMs);
  noteSpeeding(trip, kmh, nowMs);
  noteIdling(trip, kmh, nowMs);
  noteTrim(trip);
  trip.lastMs = nowMs;
  trip.lastKmh = kmh;
  trip.lastRunTimeS = telemetry.value(telemetry.RUN_TIME_S);
  if (running) trip.offSinceMs = 0;
  else if (trip.offSinceMs == 0) trip.offSinceMs = nowMs;
  if (!on) finish(trip, device, "ignition_off");
  else if (trip.offSinceMs != 0 && nowMs - trip.offSinceMs >= ENGINE_OFF_MS) {
    finish(trip, device, "engine_off");
  }
  return true;
}

function begin(trip: Trip, kmh: f64, nowMs: i64): void {
  const number = trip.number + 1;
  memory.fill(changetype<usize>(trip), 0, offsetof<Trip>());
  trip.version = VERSION;
  trip.number = number;
  trip.flags = DRIVING;
  trip.startMs = nowMs;
  trip.lastMs = nowMs;
  trip.anchorMs = nowMs;
  trip.lastKmh = kmh;
  trip.anchorKmh = kmh;
}

function advance(trip: Trip, kmh: f64, nowMs: i64): void {
  const ms = nowMs - trip.lastMs;
  // A clock that was set back says nothing about distance.
  if (ms > 0) trip.distanceM += (trip.lastKmh + kmh) * <f64>ms / 7200.0;
  if (kmh > trip.maxKmh) trip.maxKmh = kmh;
}

function noteRate(trip: Trip, kmh: f64, nowMs: i64): void {
  const windowMs = nowMs - trip.anchorMs;
  if (windowMs >= 0 && windowMs < RATE_WINDOW_MS) return;
  if (windowMs > 0 && windowMs <= RATE_WINDOW_MAX_MS) {
    const rate = (kmh - trip.anchorKmh) * 1000.0 / 3.6 / <f64>windowMs;
    if (rate <= -BRAKE_MS2) {
      if (!(trip.flags & BRAKING)) {
        trip.harshBrakes++;
        rateRow(trip, "harsh_brake", rate, kmh);
      }
      trip.flags = (trip.flags | BRAKING) & ~ACCELERATING;
    } else if (rate >= ACCELERATION_MS2) {
      if (!(trip.flags & ACCELERATING)) {
        trip.harshAccelerations++;
        rateRow(trip, "harsh_acceleration", rate, kmh);
      }
      trip.flags = (trip.flags | ACCELERATING) & ~BRAKING;
    } else trip.flags &= ~(BRAKING | ACCELERATING);
  } else trip.flags &= ~(BRAKING | ACCELERATING);
  trip.anchorMs = nowMs;
  trip.anchorKmh = kmh;
}

function noteSpeeding(trip: Trip, kmh: f64, nowMs: i64): void {
  const limit = telemetry.has(telemetry.LIMIT_KMH)
    ? telemetry.value(telemetry.LIMIT_KMH)
    : DEFAULT_LIMIT_KMH;
  if (kmh > limit * SPEEDING_TOLERANCE) {
    if (trip.speedingSinceMs == 0) {
      trip.speedingSinceMs = nowMs;
      trip.speedingPeakKmh = 0.0;
    }
    if (kmh > trip.speedingPeakKmh) {
      trip.speedingPeakKmh = kmh;
      trip.speedingLimitKmh = limit;
    }
  } else if (trip.speedingSinceMs != 0) endSpeeding(trip, nowMs);
}

function endSpeeding(trip: Trip, nowMs: i64): void {
  const ms = nowMs - trip.speedingSinceMs;
  trip.speedingSinceMs = 0;
  if (ms < SPEEDING_MIN_MS) return;
  trip.speedingMs += ms;
  row("speeding", trip);
  writer.fixedField("duration_s", <f64>ms / 1000.0, 1);
  writer.fixedField("speed_kmh", trip.speedingPeakKmh, 1);
  writer.fixedField("limit_kmh", trip.speedingLimitKmh, 1);
  send();
}

function noteIdling(trip: Trip, kmh: f64, nowMs: i64): void {
  if (kmh == 0.0 && telemetry.value(telemetry.RPM) > 0.0) {
    if (trip.stillSinceMs == 0) trip.stillSinceMs = nowMs;
  } else if (trip.stillSinceMs != 0) endIdling(trip, nowMs);
}

function endIdling(trip: Trip, nowMs: i64): void {
  const ms = nowMs - trip.stillSinceMs;
  trip.stillSinceMs = 0;
  if (ms <= 0) return;
  trip.idleMs += ms;
  if (ms < IDLING_MIN_MS) return;
  row("idling", trip);
  writer.fixedField("duration_s", <f64>ms / 1000.0, 1);
  send();
}

function noteTrim(trip: Trip): void {
  if (
    telemetry.value(telemetry.COOLANT_C) < TRIM_WARM_C || telemetry.value(telemetry.RPM) == 0.0
  ) return;
  const ltft = telemetry.value(telemetry.LTFT_PCT);
  const stft = telemetry.value(telemetry.STFT_PCT);
  trip.ltftSum += ltft;
  trip.stftSum += stft;
  trip.trimSamples++;
  // A plain mean until the window is full, then an exponential one.
  const weight = min(<f64>trip.trimSamples, TRIM_WINDOW_SAMPLES);
  trip.trimMean += (ltft + stft - trip.trimMean) / weight;
  if (
    !(trip.flags & TRIM_NOTED) && weight == TRIM_WINDOW_SAMPLES &&
    Math.abs(trip.trimMean) > TRIM_NOTE_PCT
  ) {
    trip.flags |= TRIM_NOTED;
    row("fuel_trim", trip);
    writer.fixedField("trim_pct", trip.trimMean, 2);
    send();
  }
}

function finish(trip: Trip, device: string, reason: string): void {
  const endMs = trip.lastMs;
  if (trip.speedingSinceMs != 0) endSpeeding(trip, endMs);
  if (trip.stillSinceMs != 0) endIdling(trip, endMs);
  trip.flags = 0;
  if (endMs - trip.startMs < TRIP_MIN_MS && trip.distanceM < TRIP_MIN_M) return;
  row("trip", trip);
  writer.textField("reason", reason);
  summary(trip, endMs);
  writer.fixedField("speed_kmh", trip.maxKmh, 1);
  const samples = trip.trimSamples > 0 ? <f64>trip.trimSamples : 1.0;
  writer.fixedField("ltft_pct", trip.ltftSum / samples, 2);
  writer.fixedField("stft_pct", trip.stftSum / samples, 2);
  send();
  writer.begin();
  writer.wholeField("trip", trip.number);
  summary(trip, endMs);
  writer.end();
  w3b.claim(device, writer.address(), writer.size());
  Log("trip finished: " + writer.toText());
}

function summary(trip: Trip, endMs: i64): void {
  writer.wholeField("start_ms", trip.startMs);
  writer.wholeField("end_ms", endMs);
  writer.fixedField("distance_m", trip.distanceM, 0);
  writer.wholeField("score", score(trip));
  writer.wholeField("harsh_brakes", trip.harshBrakes);
  writer.wholeField("harsh_accelerations", trip.harshAccelerations);
  writer.fixedField("speeding_s", <f64>trip.speedingMs / 1000.0, 0);
  writer.fixedField("idle_s", <f64>trip.idleMs / 1000.0, 0);
}

/** 100 down to 0: penalties a 10 km (a trip of less counts as 10 km). */
function score(trip: Trip): i64 {
  const penalty = 4.0 * <f64>trip.harshBrakes + 3.0 * <f64>trip.harshAccelerations +
    <f64>trip.speedingMs / 10_000.0 + <f64>trip.idleMs / 300_000.0;
  const tens = Math.max(trip.distanceM, 10_000.0) / 10_000.0;
  const left = 100.0 - penalty / tens;
  return left <= 0.0 ? 0 : <i64>Math.floor(left + 0.5);
}

function rateRow(trip: Trip, kind: string, rate: f64, kmh: f64): void {
  row(kind, trip);
  writer.fixedField("rate_ms2", rate, 2);
  writer.fixedField("from_kmh", trip.anchorKmh, 1);
  writer.fixedField("speed_kmh", kmh, 1);
  send();
}

function row(kind: string, trip: Trip): void {
  writer.begin();
  writer.textField("kind", kind);
  writer.wholeField("trip", trip.number);
}

function send(): void {
  if (placed) {
    writer.fixedField("lat", telemetry.value(telemetry.LAT), 5);
    writer.fixedField("lon", telemetry.value(telemetry.LON), 5);
  }
  writer.end();
  w3b.result(writer.address(), writer.size());
}
