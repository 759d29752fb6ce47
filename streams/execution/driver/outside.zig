//! What cannot be done in wasm and is asked of Python while an event runs
//! (`streams.execution.outside`): SQL, reads of a chain, blobs. Such a call costs 10-40 µs, so
//! nothing else goes this way.
const std = @import("std");
const codes = @import("codes.zig");
const costs = @import("costs.zig");
const driver = @import("driver.zig");

/// The order of `streams.execution.outside.Ask`.
pub const Ask = enum(u5) {
    event_done,
    event_undone,
    sql_query,
    sql_exec,
    call_contract,
    file_get,
    file_put,

    /// Whether an answer may depend on what an event asked before, so that Python has to know
    /// how the event ended.
    fn hasState(self: Ask) bool {
        return self == .sql_query or self == .sql_exec;
    }
};

/// W3bStream's result code, and the answer's bytes, which `ask` keeps as long as the event lasts.
pub const Answer = struct { code: i32, bytes: []const u8 };

const module = struct {
    extern "outside" fn ask(kind: i32, request: [*]const u8, size: u32) i32;
};

/// No code of W3bStream's: the event has broken a limit and ends here.
pub const breached: i32 = -1000;

const head_bytes = 16;
const gone = 0xFFFF_FFFF; // in place of a row's size
const step_fuel = 30; // one of SQLite's steps takes about as long as so many instructions

var answer: []u8 = &.{};
var answer_size: u32 = 0;

/// Room for an answer, which Python writes while it answers.
export fn reply(size: u32) [*]u8 {
    if (answer.len < size) {
        driver.allocator.free(answer);
        answer = &.{};
        answer = driver.allocator.alloc(u8, @max(size, 4096)) catch driver.outOfMemory();
    }
    answer_size = size;
    return answer.ptr;
}

pub fn isServed(kind: Ask) bool {
    return driver.host.config.served & (@as(u32, 1) << @intFromEnum(kind)) != 0;
}

/// Ask; what an answer with another code than 0 says goes into the log.
pub fn ask(kind: Ask, body: []const []const u8) Answer {
    driver.host.spendFuel(costs.ask_fuel);
    if (driver.host.starting != null) return .{ .code = codes.failed, .bytes = "" };
    if (kind.hasState()) driver.host.event.has_asked = true;
    const given = call(kind, body);
    if (given.code == breached) driver.host.breach(.sql_limit, given.bytes);
    if (given.code != 0 and given.bytes.len > 0) driver.host.logError(given.bytes);
    const copy = driver.host.temporary().dupe(u8, given.bytes) catch driver.outOfMemory();
    return .{ .code = given.code, .bytes = copy };
}

/// Tell Python that an event is over which asked something with state: the answer is the rows of
/// SQL tables that it changed (`streams.execution.sql.rows.pack`).
pub fn eventDone() void {
    const host = &driver.host;
    if (!host.event.has_asked or !isServed(.event_done)) return;
    const done = call(.event_done, &.{});
    if (done.code == breached) host.breach(.sql_limit, done.bytes);
    host.chargeState(@intCast(done.bytes.len));
    var left = spent(done.bytes);
    while (left.len > 0) {
        const key_size = std.mem.readInt(u32, left[0..4], .little);
        const stated = std.mem.readInt(u32, left[4..8], .little);
        const size = if (stated == gone) 0 else stated;
        const key = left[8..][0..key_size];
        const value = left[8 + key_size ..][0..size];
        host.rows.set(key, if (stated == gone) null else value) catch driver.outOfMemory();
        left = left[8 + key_size + size ..];
    }
    if (host.rows.bytes > host.config.sql_bytes_max) {
        host.breach(.state_limit, "the SQL tables are at their ceiling");
    }
    host.event.has_asked = false;
}

/// Tell Python that nothing stays of an event that asked something with state.
pub fn eventUndone() void {
    if (!driver.host.event.has_asked) return;
    driver.host.event.has_asked = false;
    if (isServed(.event_undone)) _ = spent(call(.event_undone, &.{}).bytes);
}

/// What an event's statements took (u64, SQLite's steps) counts for where a batch is cut, as
/// its instructions do; answers what comes behind it.
fn spent(bytes: []const u8) []const u8 {
    if (bytes.len < 8) return bytes;
    driver.host.fuel_spent += std.mem.readInt(i64, bytes[0..8], .little) * step_fuel;
    return bytes[8..];
}

/// A question: the event's time, a seed that follows from the message, the body. The answer lasts
/// until the next.
fn call(kind: Ask, body: []const []const u8) Answer {
    var size: usize = head_bytes;
    for (body) |part| size += part.len;
    const request = driver.host.temporary().alloc(u8, size) catch driver.outOfMemory();
    std.mem.writeInt(u64, request[0..8], driver.host.event.time_ms, .little);
    std.mem.writeInt(u64, request[8..16], driver.host.random(), .little);
    var at: usize = head_bytes;
    for (body) |part| {
        @memcpy(request[at..][0..part.len], part);
        at += part.len;
    }
    answer_size = 0;
    const code = module.ask(@intFromEnum(kind), request.ptr, @intCast(size));
    return .{ .code = code, .bytes = answer[0..answer_size] };
}
