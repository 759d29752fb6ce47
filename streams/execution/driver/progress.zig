//! How far a partition has come, within its epoch: what has to survive a restart besides the
//! program's own state. Written with every batch, under a key of its own in `state.<dapp>`.
const std = @import("std");
const merkle = @import("merkle.zig");

const layout_version = 2;
const layout_without_deployment = 1;

pub const Progress = struct {
    next_offset: i64 = -1, // -1: nothing was ever read
    epoch: u64 = 1, // the open one
    messages: u64 = 0, // of this epoch, repeats aside
    repeats: u64 = 0,
    dead: u64 = 0,
    results: u64 = 0,
    // SHA-256 of what the latest barrier that said so put in charge; zero: the Dapp's first
    deployment: [32]u8 = .{0} ** 32,
    inputs: merkle.Frontier = .{},
    claims: merkle.Frontier = .{},

    pub fn encode(self: *const Progress, out: *std.ArrayListUnmanaged(u8), allocator: std.mem.Allocator) !void {
        const writer = out.writer(allocator);
        try writer.writeByte(layout_version);
        try writer.writeInt(i64, self.next_offset, .little);
        for (self.numbers()) |number| try writer.writeInt(u64, number, .little);
        try writer.writeAll(&self.deployment);
        try writer.writeAll(self.inputs.bytes());
        try writer.writeAll(self.claims.bytes());
    }

    pub fn decode(bytes: []const u8) ?Progress {
        if (bytes.len < 65) return null;
        const peaks_at: usize = switch (bytes[0]) {
            layout_without_deployment => 65,
            layout_version => 97,
            else => return null,
        };
        if (bytes.len < peaks_at) return null;
        var self = Progress{ .next_offset = std.mem.readInt(i64, bytes[1..9], .little) };
        const fields = [_]*u64{
            &self.epoch,        &self.messages,     &self.repeats, &self.dead, &self.results,
            &self.inputs.count, &self.claims.count,
        };
        for (fields, 0..) |field, i| field.* = std.mem.readInt(u64, bytes[9 + i * 8 ..][0..8], .little);
        if (peaks_at == 97) self.deployment = bytes[65..97].*;
        const peaks = bytes[peaks_at..];
        const inputs = @as(usize, @popCount(self.inputs.count)) * 32;
        const claims = @as(usize, @popCount(self.claims.count)) * 32;
        if (peaks.len != inputs + claims) return null;
        @memcpy(std.mem.sliceAsBytes(&self.inputs.peaks)[0..inputs], peaks[0..inputs]);
        @memcpy(std.mem.sliceAsBytes(&self.claims.peaks)[0..claims], peaks[inputs..]);
        return self;
    }

    fn numbers(self: *const Progress) [7]u64 {
        return .{
            self.epoch,        self.messages,     self.repeats, self.dead, self.results,
            self.inputs.count, self.claims.count,
        };
    }
};
