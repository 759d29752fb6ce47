//! One event, while the program runs on it: what the host functions of the ABI work on.
const std = @import("std");
const outputs = @import("outputs.zig");
const states = @import("state.zig");

/// Why an event failed; the order of `streams.records.DeadReason`.
pub const Reason = enum(u8) {
    malformed_record,
    no_device,
    key_not_utf8,
    no_value,
    too_large,
    no_handler,
    returned_error,
    trap,
    fuel_exhausted,
    stack_exhausted,
    output_limit,
    state_limit,
    log_limit,
    effect_limit,
    sql_limit,
    files_limit,
};

pub const Level = enum(u8) {
    panic,
    fatal,
    @"error",
    warning,
    info,
    debug,
    trace,
    unknown,

    /// Whether a line of this level may say why an event failed.
    pub fn explains(self: Level) bool {
        return @intFromEnum(self) <= @intFromEnum(Level.@"error");
    }
};

const handlers_max = 16; // of one event type

/// What of the driver has to be taken back when the event fails.
pub const Marks = struct {
    state: states.EventMark,
    rows: states.EventMark,
    streams: [std.enums.values(outputs.Topic).len]outputs.Stream.Mark,
    claims: u32,
};

const Resource = struct { rid: i32, bytes: []const u8 };

pub const Event = struct {
    device: []const u8 = "",
    event_type: []const u8 = "",
    payload: []const u8 = "",
    id: [16]u8 = .{0} ** 16,
    time_ms: u64 = 0,
    leaf: ?[32]u8 = null, // of the input tree: see `Driver.inputLeaf`
    rid: i32 = 0,
    handlers: []const i32 = &.{}, // those that have not run yet
    fuel: i64 = 0, // left for them
    result: i32 = 0, // of those that ran: the first negative code, or else the last
    codes: [handlers_max]i32 = undefined, // theirs, one by one
    ran: u8 = 0,
    wants_answer: bool = false, // its sender waits for what becomes of it
    code: i32 = -1, // what the event came to
    draws: u64 = 0, // random numbers drawn so far
    index: u32 = 0, // of the next output
    output_bytes: u32 = 0,
    state_bytes: u32 = 0, // written to keyed state, also what the next write replaces
    owed: u32 = 0, // fuel that host functions cost and the program has not paid yet
    has_copied: bool = false, // something lies in the driver's arena
    logs: u32 = 0, // lines that the program logged, kept or not
    lines: u32 = 0, // kept, with the host's own
    effects: u32 = 0,
    has_asked: bool = false, // Python something that it has to be told the event's end for
    breach: ?Reason = null, // a limit that a host function saw broken just before it trapped
    last_error: std.ArrayListUnmanaged(u8) = .{}, // the text that explains a failure best
    resources: std.ArrayListUnmanaged(Resource) = .{}, // what ws_set_data stored; in the arena

    pub fn noteCode(self: *Event, code: i32) void {
        if (self.result >= 0) self.result = code;
        self.codes[self.ran] = code;
        self.ran += 1;
    }

    pub fn resource(self: *const Event, rid: i32) ?[]const u8 {
        var at = self.resources.items.len;
        while (at > 0) {
            at -= 1;
            if (self.resources.items[at].rid == rid) return self.resources.items[at].bytes;
        }
        return if (rid == self.rid) self.payload else null;
    }

    /// Deterministic, different for every draw and event: replays and other nodes agree.
    pub fn random(self: *Event, leaf: *const [32]u8) u64 {
        var bytes: [40]u8 = undefined;
        bytes[0..32].* = leaf.*;
        std.mem.writeInt(u64, bytes[32..40], self.draws, .little);
        self.draws += 1;
        var out: [32]u8 = undefined;
        std.crypto.hash.sha2.Sha256.hash(&bytes, &out, .{});
        return std.mem.readInt(u64, out[0..8], .little);
    }
};
