//! ClickHouse's RowBinary: a row is its columns' values one after another, without separators.
//! https://clickhouse.com/docs/interfaces/formats/RowBinary

const std = @import("std");
const Allocator = std.mem.Allocator;

/// Tables that records become rows of; the same numbers as in `tables.py`.
pub const Table = enum(u32) {
    messages = 0,
    results = 1,
    claims = 2,
    summaries = 3,
    dead_letters = 4,
    sql_rows = 6, // 5 are the commitments, which Python encodes
    customized_metrics = 7,
    erasures = 9, // 8 is the audit log, which Python encodes too
};

/// The rows of one table: their bytes, where each one ends, which record each one came from.
pub const Rows = struct {
    data: std.ArrayListUnmanaged(u8) = .empty,
    ends: std.ArrayListUnmanaged(u32) = .empty,
    offsets: std.ArrayListUnmanaged(i64) = .empty,

    pub fn clear(self: *Rows) void {
        self.data.clearRetainingCapacity();
        self.ends.clearRetainingCapacity();
        self.offsets.clearRetainingCapacity();
    }

    /// A row of at most `room` bytes behind those that are there.
    pub fn reserve(self: *Rows, allocator: Allocator, room: usize) Allocator.Error!Row {
        try self.ends.ensureUnusedCapacity(allocator, 1);
        try self.offsets.ensureUnusedCapacity(allocator, 1);
        try self.data.ensureUnusedCapacity(allocator, room);
        const data = self.data.items.ptr;
        return .{ .at = data + self.data.items.len, .end = data + self.data.capacity };
    }

    pub fn commit(self: *Rows, row: *const Row, offset: i64) void {
        self.data.items.len = row.at - self.data.items.ptr;
        self.ends.appendAssumeCapacity(self.data.items.len);
        self.offsets.appendAssumeCapacity(offset);
    }
};

/// A row that is being written.
pub const Row = struct {
    at: [*]u8,
    end: [*]const u8,

    /// A String: its length as LEB128, then its bytes.
    pub fn text(self: *Row, value: []const u8) void {
        self.length(value.len);
        self.bytes(value);
    }

    /// A String of three parts.
    pub fn joined(self: *Row, a: []const u8, b: []const u8, c: []const u8) void {
        self.length(a.len + b.len + c.len);
        self.bytes(a);
        self.bytes(b);
        self.bytes(c);
    }

    fn length(self: *Row, len: usize) void {
        var rest = len;
        while (rest >= 0x80) : (rest >>= 7) {
            self.at[0] = @as(u8, @truncate(rest)) | 0x80;
            self.at += 1;
        }
        self.at[0] = @truncate(rest);
        self.at += 1;
    }

    /// A FixedString.
    pub fn bytes(self: *Row, value: []const u8) void {
        std.debug.assert(value.len <= self.end - self.at);
        @memcpy(self.at[0..value.len], value);
        self.at += value.len;
    }

    /// A FixedString of lower-case hexadecimal digits.
    pub fn hexText(self: *Row, value: []const u8) void {
        for (value) |byte| {
            self.at[0] = "0123456789abcdef"[byte >> 4];
            self.at[1] = "0123456789abcdef"[byte & 15];
            self.at += 2;
        }
    }

    pub fn integer(self: *Row, comptime Int: type, value: Int) void {
        std.mem.writeInt(Int, self.at[0..@sizeOf(Int)], value, .little);
        self.at += @sizeOf(Int);
    }

    /// A DateTime64(3): milliseconds, at most the last that the type holds (2299-12-31). A
    /// device's clock may say anything.
    pub fn time(self: *Row, ms: u64) void {
        self.integer(i64, @intCast(@min(ms, 10_413_791_999_999)));
    }

    /// A UUID: two little-endian halves, the high one first.
    pub fn uuid(self: *Row, id: *const [16]u8) void {
        self.integer(u64, std.mem.readInt(u64, id[0..8], .big));
        self.integer(u64, std.mem.readInt(u64, id[8..16], .big));
    }
};
