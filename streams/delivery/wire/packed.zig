//! The packed layout of a batch: `streams/delivery/batch.py`, byte for byte.

const std = @import("std");

pub const Record = struct {
    index: u32,
    offset: i64,
    timestamp_ms: i64,
    key: ?[]const u8,
    value: ?[]const u8,
};

pub const Error = error{BadBatch};

pub const Batch = struct {
    count: u32,
    offsets: []align(1) const i64,
    timestamps_ms: []align(1) const i64,
    key_lens: []align(1) const i32,
    value_lens: []align(1) const i32,
    keys: []const u8,
    values: []const u8,

    pub fn parse(bytes: []const u8) Error!Batch {
        if (bytes.len < 8) return error.BadBatch;
        const count = std.mem.readInt(u32, bytes[0..4], .little);
        const n: usize = count;
        if (n > (bytes.len - 8) / 24) return error.BadBatch;
        const lens_at = 8 + n * 16;
        const keys_at = 8 + n * 24;
        var batch = Batch{
            .count = count,
            .offsets = std.mem.bytesAsSlice(i64, bytes[8 .. 8 + n * 8]),
            .timestamps_ms = std.mem.bytesAsSlice(i64, bytes[8 + n * 8 .. lens_at]),
            .key_lens = std.mem.bytesAsSlice(i32, bytes[lens_at .. lens_at + n * 4]),
            .value_lens = std.mem.bytesAsSlice(i32, bytes[lens_at + n * 4 .. keys_at]),
            .keys = undefined,
            .values = undefined,
        };
        const keys_len = sum(batch.key_lens);
        if (keys_len > bytes.len - keys_at) return error.BadBatch;
        batch.keys = bytes[keys_at..][0..@intCast(keys_len)];
        batch.values = bytes[keys_at + batch.keys.len ..];
        if (sum(batch.value_lens) != batch.values.len) return error.BadBatch;
        return batch;
    }

    pub fn iterate(self: *const Batch) Iterator {
        return .{ .batch = self };
    }
};

pub const Iterator = struct {
    batch: *const Batch,
    index: u32 = 0,
    key_at: usize = 0,
    value_at: usize = 0,

    pub fn next(self: *Iterator) ?Record {
        const i = self.index;
        if (i == self.batch.count) return null;
        self.index += 1;
        return .{
            .index = i,
            .offset = self.batch.offsets[i],
            .timestamp_ms = self.batch.timestamps_ms[i],
            .key = cut(self.batch.keys, &self.key_at, self.batch.key_lens[i]),
            .value = cut(self.batch.values, &self.value_at, self.batch.value_lens[i]),
        };
    }
};

/// A batch entry by entry, where the one at hand may be looked at more than once.
pub const Cursor = struct {
    rest: Iterator,
    here: ?Record,

    pub fn init(batch: *const Batch) Cursor {
        var self = Cursor{ .rest = batch.iterate(), .here = null };
        self.advance();
        return self;
    }

    pub fn advance(self: *Cursor) void {
        self.here = self.rest.next();
    }

    /// How many entries have been passed.
    pub fn passed(self: *const Cursor) u32 {
        return if (self.here) |record| record.index else self.rest.index;
    }
};

/// The next `len` bytes; a negative length is Kafka's null.
fn cut(bytes: []const u8, at: *usize, len: i32) ?[]const u8 {
    if (len < 0) return null;
    const from = at.*;
    at.* += @intCast(len);
    return bytes[from..at.*];
}

fn sum(lens: []align(1) const i32) u64 {
    var total: u64 = 0;
    for (lens) |len| total += @intCast(@max(len, 0));
    return total;
}
