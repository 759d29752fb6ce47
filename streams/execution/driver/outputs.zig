//! What a batch writes: a stream of records for each topic, as Python will hand them to Kafka.
//!
//! A stream is its records' keys and values one after another, and three numbers a record
//! (start, end of key, end of value), so that Python slices one buffer and parses nothing.
const std = @import("std");
const record = @import("record");

pub const Kind = record.Kind;

/// The order in which Python reads the streams (`streams.execution.instance.STREAMS`).
pub const Topic = enum(u8) { results, claims, effects, dead, logs, state, answers, gone };

/// What a record costs beside its bytes, about: its head, its device, its places in the index.
pub const record_bytes = 128;

/// The header fields of a record that execute writes; see streams/records.py.
pub const Head = struct {
    kind: Kind,
    label: []const u8,
    device: []const u8,
    time_ms: u64,
    id: [16]u8,
    epoch: u64,
    program: [8]u8,
    index: u32,
};

pub const Stream = struct {
    data: std.ArrayListUnmanaged(u8) = .{},
    index: std.ArrayListUnmanaged(u32) = .{},

    pub const Mark = struct { data: usize, index: usize };

    pub fn mark(self: *const Stream) Mark {
        return .{ .data = self.data.items.len, .index = self.index.items.len };
    }

    pub fn undo(self: *Stream, to: Mark) void {
        self.data.shrinkRetainingCapacity(to.data);
        self.index.shrinkRetainingCapacity(to.index);
    }

    pub fn clear(self: *Stream) void {
        self.undo(.{ .data = 0, .index = 0 });
    }

    /// A record given as key and the parts of its value.
    pub fn add(
        self: *Stream,
        allocator: std.mem.Allocator,
        key: []const u8,
        value: []const []const u8,
    ) !void {
        try self.index.ensureUnusedCapacity(allocator, 3);
        var total = key.len;
        for (value) |part| total += part.len;
        try self.data.ensureUnusedCapacity(allocator, total);
        const start = self.data.items.len;
        self.data.appendSliceAssumeCapacity(key);
        const key_end = self.data.items.len;
        for (value) |part| self.data.appendSliceAssumeCapacity(part);
        self.index.appendSliceAssumeCapacity(&.{
            @intCast(start), @intCast(key_end), @intCast(self.data.items.len),
        });
    }

    pub fn addOutput(
        self: *Stream,
        allocator: std.mem.Allocator,
        key: []const u8,
        head: Head,
        a: []const u8,
        b: []const []const u8,
    ) !void {
        var header: [56]u8 = undefined;
        encodeHead(&header, head, @intCast(a.len));
        var parts: [8][]const u8 = undefined;
        parts[0..4].* = .{ &header, head.label, head.device, a };
        @memcpy(parts[4..][0..b.len], b);
        try self.add(allocator, key, parts[0 .. 4 + b.len]);
    }
};

fn encodeHead(out: *[56]u8, head: Head, a_len: u32) void {
    out[0..4].* = .{ record.magic, record.version, @intFromEnum(head.kind), @intCast(head.label.len) };
    std.mem.writeInt(u16, out[4..6], @intCast(head.device.len), .little);
    std.mem.writeInt(u16, out[6..8], 0, .little);
    std.mem.writeInt(u64, out[8..16], head.time_ms, .little);
    out[16..32].* = head.id;
    std.mem.writeInt(u64, out[32..40], head.epoch, .little);
    out[40..48].* = head.program;
    std.mem.writeInt(u32, out[48..52], head.index, .little);
    std.mem.writeInt(u32, out[52..56], a_len, .little);
}
