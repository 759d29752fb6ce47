// What a node offers beside the SDK's functions: module "w3b" of its imports.

// @ts-ignore: decorator
@external("w3b", "result")
declare function w3b_result(ptr: usize, size: i32): i32;
// @ts-ignore: decorator
@external("w3b", "claim")
declare function w3b_claim(subject: usize, subjectSize: i32, ptr: usize, size: i32): i32;
// @ts-ignore: decorator
@external("w3b", "device")
declare function w3b_device(pAddr: usize, pSize: usize): i32;
// @ts-ignore: decorator
@external("w3b", "event_type")
declare function w3b_event_type(pAddr: usize, pSize: usize): i32;
// @ts-ignore: decorator
@external("w3b", "time")
declare function w3b_time(): i64;
// @ts-ignore: decorator
@external("env", "ws_log")
declare function ws_log(level: i32, ptr: usize, size: i32): i32;

/** The out pair: the node writes an address and a size (u32 each) here. */
const PAIR: usize = memory.data(8, 4);

export enum Level {
  Error = 2,
  Warning = 3,
  Info = 4,
  Debug = 5,
}

/** A row for the analysts: a JSON object. */
export function result(row: string): void {
  const bytes = String.UTF8.encode(row);
  assert(w3b_result(changetype<usize>(bytes), bytes.byteLength) == 0, "not a JSON object");
}

/** A statement about `subject` that the network will prove. */
export function claim(subject: string, statement: string): void {
  const about = String.UTF8.encode(subject);
  const bytes = String.UTF8.encode(statement);
  const code = w3b_claim(
    changetype<usize>(about), about.byteLength, changetype<usize>(bytes), bytes.byteLength,
  );
  assert(code == 0, "the subject or the statement is too long");
}

/** Who sent the message: a DID. */
export function device(): string {
  return w3b_device(PAIR, PAIR + 4) == 0 ? pair() : "";
}

/** What kind of message it is; DEFAULT unless its sender said otherwise. */
export function eventType(): string {
  return w3b_event_type(PAIR, PAIR + 4) == 0 ? pair() : "";
}

/** The message's time in milliseconds since 1970: the device's, never the node's. */
export function time(): i64 {
  return w3b_time();
}

/** A log line; a node shows those of failed messages, `w3b program run` and `test` all. */
export function log(level: Level, text: string): void {
  const bytes = String.UTF8.encode(text);
  ws_log(level, changetype<usize>(bytes), bytes.byteLength);
}

function pair(): string {
  return String.UTF8.decodeUnsafe(load<u32>(PAIR), load<u32>(PAIR + 4));
}
