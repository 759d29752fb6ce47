//! The packed layout of a batch (`streams/delivery/batch.py`), read in place.
const std = @import("std");

pub const Entry = struct {
    offset: i64,
    timestamp_ms: i64,
    key: ?[]const u8,
    value: ?[]const u8,
};

pub const Batch = struct {
    count: u32,
    offsets: [*]align(1) const i64,
    timestamps_ms: [*]align(1) const i64,
    key_lengths: [*]align(1) const i32,
    value_lengths: [*]align(1) const i32,
    key_at: [*]const u8,
    value_at: [*]const u8,
    next: u32 = 0,

    pub fn init(bytes: [*]const u8) Batch {
        const count = std.mem.readInt(u32, bytes[0..4], .little);
        const offsets = bytes + 8;
        const timestamps = offsets + count * 8;
        const key_lengths = timestamps + count * 8;
        const value_lengths = key_lengths + count * 4;
        const keys = value_lengths + count * 4;
        var self = Batch{
            .count = count,
            .offsets = @ptrCast(offsets),
            .timestamps_ms = @ptrCast(timestamps),
            .key_lengths = @ptrCast(key_lengths),
            .value_lengths = @ptrCast(value_lengths),
            .key_at = keys,
            .value_at = keys,
        };
        for (0..count) |i| self.value_at += length(self.key_lengths[i]);
        return self;
    }

    /// The entry at `next`, without going on.
    pub fn peek(self: *const Batch) Entry {
        const key_length = self.key_lengths[self.next];
        const value_length = self.value_lengths[self.next];
        return .{
            .offset = self.offsets[self.next],
            .timestamp_ms = self.timestamps_ms[self.next],
            .key = if (key_length < 0) null else self.key_at[0..length(key_length)],
            .value = if (value_length < 0) null else self.value_at[0..length(value_length)],
        };
    }

    pub fn advance(self: *Batch) void {
        self.key_at += length(self.key_lengths[self.next]);
        self.value_at += length(self.value_lengths[self.next]);
        self.next += 1;
    }
};

fn length(of: i32) usize {
    return if (of < 0) 0 else @intCast(of);
}
