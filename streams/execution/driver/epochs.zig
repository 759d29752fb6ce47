//! What an epoch comes to: the summary of a partition, and the leaves of its claims.
const std = @import("std");
const record = @import("record");
const driver = @import("driver.zig");
const merkle = @import("merkle.zig");
const outputs = @import("outputs.zig");
const outside = @import("outside.zig");

const Driver = driver.Driver;

/// The roots and counts of the epoch that ends, for the network to sign.
pub fn summarise(self: *Driver, barrier: record.Barrier) void {
    self.inputs.settle(&self.progress.inputs);
    var state_root = self.state.root() catch driver.outOfMemory();
    if (outside.isServed(.sql_exec)) {
        const rows_root = self.rows.root() catch driver.outOfMemory();
        state_root = merkle.node(&state_root, &rows_root);
    }
    var body: [172]u8 = undefined;
    const done = self.progress;
    std.mem.writeInt(u32, body[0..4], self.config.partition, .little);
    body[4..36].* = done.inputs.root();
    body[36..68].* = done.claims.root();
    body[68..100].* = state_root;
    const numbers = [_]u64{ done.messages, done.repeats, done.dead, done.results, done.claims.count };
    for (numbers, 0..) |number, i| {
        std.mem.writeInt(u64, body[100 + i * 8 ..][0..8], number, .little);
    }
    body[140..172].* = self.config.program;
    const head = outputs.Head{
        .kind = .summary,
        .label = "",
        .device = "",
        .time_ms = barrier.time_ms,
        .id = .{0} ** 16,
        .epoch = barrier.epoch,
        .program = self.config.program[0..8].*,
        .index = self.config.partition,
    };
    self.stream(.claims).addOutput(driver.allocator, "", head, "", &.{&body}) catch driver.outOfMemory();
}

/// A claim's leaf: see `streams.commitments`.
pub fn claimLeaf(self: *Driver, index: u32, salt: [16]u8, subject: []const u8, statement: []const u8) merkle.Hash {
    var numbers: [24]u8 = undefined;
    std.mem.writeInt(u64, numbers[0..8], self.progress.epoch, .big);
    std.mem.writeInt(u32, numbers[8..12], self.config.partition, .big);
    std.mem.writeInt(u32, numbers[12..16], index, .big);
    std.mem.writeInt(u32, numbers[16..20], @intCast(subject.len), .big);
    std.mem.writeInt(u32, numbers[20..24], @intCast(statement.len), .big);
    const dapp = self.config.dapp;
    return merkle.sha256(&.{
        &merkle.leaf_tag, &.{@intCast(dapp.len)}, dapp,            numbers[0..16], &salt,
        numbers[16..20],  subject,                numbers[20..24], statement,
    });
}
