// One sample of one car: a flat JSON object (RFC 8259) with the fields below.
//
// A scanner over the text rather than a DOM: a tree of objects for each message is what most
// programs of this kind spend their time on, and a sample needs 13 numbers. Fields are expected
// in the schema's order (then finding one costs a single comparison) and accepted in any.
//
// Ranges are the sensors' own, from SAE J1979 (ISO 15031-5) mode 01: what lies outside cannot
// have been measured. Unknown fields with flat values are skipped, so that devices may say more.

import * as writer from "./writer";

export const SPEED_KMH: i32 = 0;
export const RPM: i32 = 1;
export const THROTTLE_PCT: i32 = 2;
export const LOAD_PCT: i32 = 3;
export const COOLANT_C: i32 = 4;
export const LTFT_PCT: i32 = 5;
export const STFT_PCT: i32 = 6;
export const FUEL_PCT: i32 = 7;
export const RUN_TIME_S: i32 = 8;
export const LIMIT_KMH: i32 = 9;
export const LAT: i32 = 10;
export const LON: i32 = 11;
export const IGNITION: i32 = 12; // true or false; absent counts as true
const FIELDS: i32 = 13;
const REQUIRED: u32 = 0b1_1111_1111; // the first nine

const NAMES: StaticArray<string> = [
  "speed_kmh", "rpm", "throttle_pct", "load_pct", "coolant_c", "ltft_pct", "stft_pct",
  "fuel_pct", "run_time_s", "limit_kmh", "lat", "lon", "ignition",
];
const LOW: StaticArray<f64> = [0, 0, 0, 0, -40, -100, -100, 0, 0, 5, -90, -180, 0];
const HIGH: StaticArray<f64> = [
  255, 16383.75, 100, 100, 215, 99.22, 99.22, 100, 65535, 200, 90, 180, 1,
];

const VALUES: usize = memory.data(104, 8); // FIELDS f64
let seen: u32 = 0;

/** A field's value in the last sample that was read. */
// @ts-ignore: decorator
@inline
export function value(field: i32): f64 {
  return load<f64>(VALUES + (<usize>field << 3));
}

/** Whether the last sample had the field. */
// @ts-ignore: decorator
@inline
export function has(field: i32): bool {
  return (seen & (1 << field)) != 0;
}

// Exact powers: with a mantissa below 2^53 one division by these rounds correctly (Clinger 1990).
const POWERS: StaticArray<f64> = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
  1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

const NONE: i32 = -1; // past the end of the text
let at: usize = 0;
let start: usize = 0;
let end: usize = 0;

// @ts-ignore: decorator
@inline
function peek(): i32 {
  return at < end ? <i32>load<u16>(at) : NONE;
}

// @ts-ignore: decorator
@inline
function skipSpace(): void {
  for (let c = peek(); c <= 0x20; c = peek()) {
    if (c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return;
    at += 2;
  }
}

// @ts-ignore: decorator
@inline
function isDigit(c: i32): bool {
  return <u32>(c - 0x30) < 10;
}

/** Begin the report of what is wrong with the sample; always false. */
function refuse(what: string): bool {
  writer.begin();
  writer.text("telemetry refused: ");
  writer.text(what);
  return false;
}

function refuseHere(what: string): bool {
  refuse(what);
  writer.text(" at character ");
  writer.whole(<i64>((at - start) >> 1));
  return false;
}

function refuseField(field: i32, what: string): bool {
  refuse(NAMES[field]);
  writer.text(what);
  return false;
}

let mantissa: u64 = 0; // of the number that is being read
let number: f64 = 0; // the number that was read

/**
 * Past decimal digits, which go into `mantissa`; returns how many were kept. Past 18 they no
 * longer matter and are dropped.
 */
function scanDigits(): i32 {
  let p = at;
  let m = mantissa;
  let kept: i32 = 0;
  for (const last = end; p < last; p += 2) {
    const digit = <u32>load<u16>(p) - 0x30;
    if (digit > 9) break;
    if (m < 100_000_000_000_000_000) {
      m = m * 10 + digit;
      kept++;
    }
  }
  at = p;
  mantissa = m;
  return kept;
}

/** A JSON number into `number`: exactly up to 15 digits, beyond that within some ulps. */
function scanNumber(): bool {
  const negative = peek() == 0x2d;
  if (negative) at += 2;
  const from = at;
  if (!isDigit(peek())) return refuseHere("no JSON number");
  mantissa = 0;
  const whole = scanDigits();
  const digits = <i32>((at - from) >> 1);
  if (digits > 1 && load<u16>(from) == 0x30) return refuseHere("a number with a leading zero");
  let exponent = digits - whole;
  if (peek() == 0x2e) {
    at += 2;
    if (!isDigit(peek())) return refuseHere("a number that ends in its point");
    exponent -= scanDigits();
  }
  if ((peek() | 0x20) == 0x65 && at < end) {
    at += 2;
    const minus = peek() == 0x2d;
    if (minus || peek() == 0x2b) at += 2;
    if (!isDigit(peek())) return refuseHere("a number without digits in its exponent");
    let e: i32 = 0;
    for (let c = peek(); isDigit(c); c = peek()) {
      if (e < 10_000) e = e * 10 + (c - 0x30);
      at += 2;
    }
    exponent += minus ? -e : e;
  }
  number = scale(<f64>mantissa, exponent);
  if (negative) number = -number;
  return true;
}

function scale(value: f64, exponent: i32): f64 {
  while (exponent < 0 && value != 0.0) {
    const step = min(-exponent, 22);
    value /= unchecked(POWERS[step]);
    exponent += step;
  }
  while (exponent > 0 && value != 0.0 && value != Infinity) {
    const step = min(exponent, 22);
    value *= unchecked(POWERS[step]);
    exponent -= step;
  }
  return value;
}

/** Past a JSON string, whose opening quote is next. */
function skipString(): bool {
  at += 2;
  while (at < end) {
    const c: i32 = load<u16>(at);
    at += 2;
    if (c == 0x22) return true;
    if (c < 0x20) break;
    if (c == 0x5c && !skipEscape()) break;
  }
  return refuseHere("a string that is not closed, or holds what JSON does not allow");
}

function skipEscape(): bool {
  const c = peek();
  at += 2;
  if (c != 0x75) {
    // " \ / b f n r t
    return (
      c == 0x22 || c == 0x5c || c == 0x2f || c == 0x62 || c == 0x66 || c == 0x6e || c == 0x72 ||
      c == 0x74
    );
  }
  for (let i = 0; i < 4; i++) {
    const digit = peek();
    if (!isDigit(digit) && <u32>((digit | 0x20) - 0x61) >= 6) return false;
    at += 2;
  }
  return true;
}

// @ts-ignore: decorator
@inline
function takes(word: string): bool {
  const bytes = <usize>word.length << 1;
  if (end - at < bytes || !same(at, changetype<usize>(word), bytes)) return false;
  at += bytes;
  return true;
}

/** `memory.compare` of an even number of bytes; that one goes byte by byte unless aligned. */
function same(left: usize, right: usize, bytes: usize): bool {
  for (; bytes >= 8; bytes -= 8, left += 8, right += 8) {
    if (load<u64>(left) != load<u64>(right)) return false;
  }
  for (; bytes != 0; bytes -= 2, left += 2, right += 2) {
    if (load<u16>(left) != load<u16>(right)) return false;
  }
  return true;
}

/** Which field the name at `from` is; -1 if it is none. */
function fieldNamed(from: usize, bytes: usize): i32 {
  for (let field = 0; field < FIELDS; field++) {
    const name = unchecked(NAMES[field]);
    if (
      (<usize>name.length << 1) == bytes && same(from, changetype<usize>(name), bytes)
    ) return field;
  }
  return -1;
}

/** Past the quoted name at `at`, if it is that of `field`: the way of a sample in our order. */
// @ts-ignore: decorator
@inline
function takesField(field: i32): bool {
  const name = unchecked(NAMES[field]);
  const bytes = <usize>name.length << 1;
  if (
    end - at < bytes + 4 || load<u16>(at) != 0x22 || load<u16>(at + 2 + bytes) != 0x22 ||
    !same(at + 2, changetype<usize>(name), bytes)
  ) return false;
  at += bytes + 4;
  return true;
}

function scanValue(field: i32): bool {
  const c = peek();
  if (field < 0) {
    if (c == 0x22) return skipString();
    if (c == 0x7b || c == 0x5b) return refuseHere("a nested value (a sample is a flat object)");
    if (takes("true") || takes("false") || takes("null")) return true;
    return scanNumber();
  }
  if (field == IGNITION) {
    if (takes("true")) number = 1.0;
    else if (takes("false")) number = 0.0;
    else return refuseField(field, " is not true or false");
  } else {
    if (c != 0x2d && !isDigit(c)) return refuseField(field, " is not a number");
    if (!scanNumber()) return false;
  }
  const bit: u32 = 1 << field;
  if (seen & bit) return refuseField(field, " is given twice");
  seen |= bit;
  if (!(number >= unchecked(LOW[field]) && number <= unchecked(HIGH[field]))) {
    refuseField(field, " is outside the sensor's range, ");
    writer.fixed(unchecked(LOW[field]), 0);
    writer.text(" to ");
    writer.fixed(unchecked(HIGH[field]), 2);
    return false;
  }
  store<f64>(VALUES + (<usize>field << 3), number);
  return true;
}

function scanFields(): bool {
  let expected: i32 = 0;
  while (true) {
    skipSpace();
    let field = expected;
    if (!takesField(field)) {
      if (peek() != 0x22) return refuseHere("no field name");
      const from = at + 2;
      if (!skipString()) return false;
      field = fieldNamed(from, at - 2 - from);
    }
    if (field >= 0) expected = field + 1 < FIELDS ? field + 1 : 0;
    skipSpace();
    if (peek() != 0x3a) return refuseHere("no colon after a field name");
    at += 2;
    skipSpace();
    if (!scanValue(field)) return false;
    skipSpace();
    const c = peek();
    at += 2;
    if (c == 0x7d) return true;
    if (c != 0x2c) {
      at -= 2;
      return refuseHere("no comma or brace after a value");
    }
  }
}

/** Read a sample; if it is refused, `writer` holds why. */
export function read(message: string): bool {
  start = at = changetype<usize>(message);
  end = at + (<usize>message.length << 1);
  seen = 0;
  skipSpace();
  if (peek() == NONE) return refuse("empty message");
  if (peek() != 0x7b) return refuseHere("not a JSON object");
  at += 2;
  skipSpace();
  if (peek() == 0x7d) return refuse("no fields");
  if (!scanFields()) return false;
  skipSpace();
  if (at < end) return refuseHere("text after the object");
  const missing = REQUIRED & ~seen;
  if (missing != 0) return refuseField(ctz(missing), " is missing");
  return true;
}
