// Text as bytes in one fixed buffer. A JSON row is handed to the host as UTF-8: building it as an
// AssemblyScript string (UTF-16, one allocation a concatenation) and encoding that is ten times
// the work, and a number's general formatter is a third of the module.

const CAPACITY: i32 = 1024; // the longest row, a trip's, takes about 400 bytes
const BUFFER: usize = memory.data(1024, 8);
let length: i32 = 0;

/** Forget what was written. */
export function begin(): void {
  length = 0;
}

/** Where the text lies. */
export function address(): usize {
  return BUFFER;
}

/** Bytes written. */
export function size(): i32 {
  return length;
}

/** The text as a string, for functions of the SDK. */
export function toText(): string {
  return String.UTF8.decodeUnsafe(BUFFER, length);
}

function put(byte: i32): void {
  if (length < CAPACITY) {
    store<u8>(BUFFER + length, byte);
    length++;
  }
}

/** ASCII text; anything else becomes "?". */
export function text(value: string): void {
  chars(changetype<usize>(value), value.length);
}

/** `count` UTF-16 units at `at`, those outside printable ASCII as "?". */
export function chars(at: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    const unit: i32 = load<u16>(at + (<usize>i << 1));
    put(unit >= 0x20 && unit < 0x7f ? unit : 0x3f);
  }
}

/** A whole number. */
export function whole(value: i64): void {
  if (value < 0) {
    put(0x2d);
    value = -value;
  }
  let unit: i64 = 1;
  while (value / unit >= 10) unit *= 10;
  while (unit > 0) {
    put(<i32>(0x30 + (value / unit) % 10));
    unit /= 10;
  }
}

/** A number rounded half up to `decimals` places (at most 6). */
export function fixed(value: f64, decimals: i32): void {
  let scale: i64 = 1;
  for (let i = 0; i < decimals; i++) scale *= 10;
  let scaled = <i64>Math.floor(Math.abs(value) * <f64>scale + 0.5);
  if (value < 0.0 && scaled > 0) put(0x2d);
  whole(scaled / scale);
  if (decimals == 0) return;
  put(0x2e);
  let rest = scaled % scale;
  for (scale /= 10; scale > 0; scale /= 10) {
    put(<i32>(0x30 + (rest / scale) % 10));
  }
}

/** `"name":` with the comma or brace that goes before it. */
export function key(name: string): void {
  put(length == 0 ? 0x7b : 0x2c);
  put(0x22);
  text(name);
  put(0x22);
  put(0x3a);
}

/** `"name":"value"`. */
export function textField(name: string, value: string): void {
  key(name);
  put(0x22);
  text(value);
  put(0x22);
}

/** `"name":value`, a whole number. */
export function wholeField(name: string, value: i64): void {
  key(name);
  whole(value);
}

/** `"name":value`, with `decimals` places. */
export function fixedField(name: string, value: f64, decimals: i32): void {
  key(name);
  fixed(value, decimals);
}

/** The closing brace. */
export function end(): void {
  put(0x7d);
}
