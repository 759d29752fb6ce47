//! What an instance is told once: see `streams.execution.configuration`.
const std = @import("std");

/// The handlers of an event type, in the order in which they run.
pub const Route = struct { event_type: []const u8, handlers: []const i32 };

pub const Config = struct {
    fresh: bool = true,
    lasting: bool = false, // the program changes what a restore cannot undo
    has_alloc: bool = false,
    roots: bool = true, // inputs, claims and state are hashed into what a network signs
    log_levels: u8 = 0, // logs of this level and greater ones are not kept
    partition: u32 = 0,
    served: u32 = 0, // a bit for each `outside.Ask` that Python answers
    pages: u32 = 0, // of the program's memory after instantiation
    value_bytes_max: u32 = 0,
    output_bytes_max: u32 = 0,
    logs_max: u32 = 0, // lines of one event by the program
    lines_max: u32 = 0, // lines kept of one event, with the host's own
    log_text_bytes_max: u32 = 0,
    effects_max: u32 = 0,
    subject_bytes_max: u32 = 0, // of a claim
    statement_bytes_max: u32 = 0,
    device_bytes_max: u32 = 0, // of a raw record's key
    payload_bytes_max: u32 = 0,
    dead_bytes_max: u32 = 0, // of a failed record's value, kept in its dead letter
    state_bytes_max: u64 = 0,
    state_keys_max: u32 = 0,
    sql_bytes_max: u64 = 0,
    files_bytes_max: u64 = 0,
    fuel: i64 = 0, // of one event
    batch_fuel: i64 = 0, // a batch that has spent more is cut here
    batch_bytes: u64 = 0, // or made more
    event_state_bytes_max: u32 = 0, // one event's writes to keyed state
    program: [32]u8 = .{0} ** 32, // SHA-256
    dapp: []const u8 = "",
    routes: []Route = &.{},
    env: std.StringHashMapUnmanaged([]const u8) = .{},

    /// The handlers for an event type; DEFAULT's where it has none of its own.
    pub fn handlersOf(self: *const Config, event_type: []const u8) ?[]const i32 {
        var fallback: ?[]const i32 = null;
        for (self.routes) |route| {
            if (std.mem.eql(u8, route.event_type, event_type)) return route.handlers;
            if (std.mem.eql(u8, route.event_type, "DEFAULT")) fallback = route.handlers;
        }
        return fallback;
    }
};

const Cursor = struct {
    bytes: [*]const u8,

    fn take(self: *Cursor, comptime T: type) T {
        const value = std.mem.readInt(T, self.bytes[0..@sizeOf(T)], .little);
        self.bytes += @sizeOf(T);
        return value;
    }

    fn text(self: *Cursor, allocator: std.mem.Allocator) ![]const u8 {
        const length = self.take(u32);
        defer self.bytes += length;
        return allocator.dupe(u8, self.bytes[0..length]);
    }
};

pub fn decode(allocator: std.mem.Allocator, bytes: [*]const u8) !Config {
    var at = Cursor{ .bytes = bytes };
    var config = Config{};
    config.fresh = at.take(u8) != 0;
    config.lasting = at.take(u8) != 0;
    config.has_alloc = at.take(u8) != 0;
    config.roots = at.take(u8) != 0;
    config.log_levels = at.take(u8);
    config.partition = at.take(u32);
    config.served = at.take(u32);
    config.pages = at.take(u32);
    config.value_bytes_max = at.take(u32);
    config.output_bytes_max = at.take(u32);
    config.logs_max = at.take(u32);
    config.lines_max = at.take(u32);
    config.log_text_bytes_max = at.take(u32);
    config.effects_max = at.take(u32);
    config.subject_bytes_max = at.take(u32);
    config.statement_bytes_max = at.take(u32);
    config.device_bytes_max = at.take(u32);
    config.payload_bytes_max = at.take(u32);
    config.dead_bytes_max = at.take(u32);
    config.state_bytes_max = at.take(u64);
    config.state_keys_max = at.take(u32);
    config.sql_bytes_max = at.take(u64);
    config.files_bytes_max = at.take(u64);
    config.fuel = at.take(i64);
    config.batch_fuel = at.take(i64);
    config.batch_bytes = at.take(u64);
    config.event_state_bytes_max = at.take(u32);
    config.program = at.bytes[0..32].*;
    at.bytes += 32;
    config.dapp = try at.text(allocator);
    config.routes = try allocator.alloc(Route, at.take(u32));
    for (config.routes) |*route| {
        route.event_type = try at.text(allocator);
        const handlers = try allocator.alloc(i32, at.take(u32));
        for (handlers) |*handler| handler.* = at.take(i32);
        route.handlers = handlers;
    }
    for (0..at.take(u32)) |_| {
        const name = try at.text(allocator);
        try config.env.put(allocator, name, try at.text(allocator));
    }
    return config;
}
