//! Devices whose records before an offset give no row: an erasure there was carried out before the log is
//! read again. Lines of an offset, a space and a name.
const std = @import("std");

pub const Erased = struct {
    before: std.StringHashMapUnmanaged(i64) = .{},

    pub fn init(allocator: std.mem.Allocator, lines: []const u8) std.mem.Allocator.Error!Erased {
        var self = Erased{};
        var left = std.mem.tokenizeScalar(u8, lines, '\n');
        while (left.next()) |line| {
            const space = std.mem.indexOfScalar(u8, line, ' ') orelse continue;
            const offset = std.fmt.parseInt(i64, line[0..space], 10) catch continue;
            const found = try self.before.getOrPutValue(allocator, line[space + 1 ..], offset);
            found.value_ptr.* = @max(found.value_ptr.*, offset);
        }
        return self;
    }

    pub fn deinit(self: *Erased, allocator: std.mem.Allocator) void {
        self.before.deinit(allocator);
    }

    pub fn has(self: *const Erased, device: []const u8, offset: i64) bool {
        if (self.before.count() == 0) return false;
        return offset < self.before.get(device) orelse return false;
    }
};
