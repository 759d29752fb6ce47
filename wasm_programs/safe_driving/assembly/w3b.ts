// What a node offers beside W3bStream's own imports: module "w3b" (see ../../README.md), and the
// one import of W3bStream's that its SDK wraps too narrowly: `Log` always writes at level info.

// @ts-ignore: decorator
@external("w3b", "result")
declare function w3b_result(ptr: usize, size: i32): i32;
// @ts-ignore: decorator
@external("w3b", "claim")
declare function w3b_claim(subject: usize, subjectSize: i32, ptr: usize, size: i32): i32;
// @ts-ignore: decorator
@external("w3b", "device")
declare function w3b_device(rAddr: usize, rSize: usize): i32;
// @ts-ignore: decorator
@external("w3b", "time")
declare function w3b_time(): i64;
// @ts-ignore: decorator
@external("env", "ws_log")
declare function ws_log(level: i32, ptr: usize, size: i32): i32;

const LEVEL_ERROR: i32 = 2;

/** The out pair: the host writes an address and a size (u32 each) here. */
const PAIR: usize = memory.data(8, 4);

/** Who sent the message: a DID. */
export function device(): string {
  if (w3b_device(PAIR, PAIR + 4) != 0) return "";
  return String.UTF8.decodeUnsafe(load<u32>(PAIR), load<u32>(PAIR + 4));
}

/** The message's time in milliseconds since 1970: the device's, never the node's. */
export function time(): i64 {
  return w3b_time();
}

/** A row for the analysts: `size` bytes of a JSON object at `ptr`. */
export function result(ptr: usize, size: i32): void {
  w3b_result(ptr, size);
}

/** A statement about `subject` that the network will prove. */
export function claim(subject: string, ptr: usize, size: i32): void {
  const bytes = String.UTF8.encode(subject);
  w3b_claim(changetype<usize>(bytes), bytes.byteLength, ptr, size);
}

/** A log line at level error. */
export function logError(ptr: usize, size: i32): void {
  ws_log(LEVEL_ERROR, ptr, size);
}
