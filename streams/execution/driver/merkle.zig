//! RFC 6962 Merkle trees over SHA-256, built one leaf at a time in O(log n) memory.
const std = @import("std");
const lanes = @import("lanes.zig");
const Sha256 = std.crypto.hash.sha2.Sha256;

pub const Hash = [32]u8;
pub const leaf_tag = [1]u8{0x00};
pub const node_tag = [1]u8{0x01};
pub const salt_tag = [1]u8{0x02};

/// SHA-256 over several parts, as if they were one.
pub fn sha256(parts: []const []const u8) Hash {
    var hasher = Sha256.init(.{});
    for (parts) |part| hasher.update(part);
    var out: Hash = undefined;
    hasher.final(&out);
    return out;
}

pub fn node(left: *const Hash, right: *const Hash) Hash {
    return sha256(&.{ &node_tag, left, right });
}

/// The roots of the perfect subtrees that a tree of `count` leaves consists of, largest first.
pub const Frontier = struct {
    count: u64 = 0,
    peaks: [64]Hash = undefined,

    pub fn push(self: *Frontier, leaf: Hash) void {
        var top = leaf;
        var height: u6 = 0;
        var depth = @popCount(self.count);
        while (self.count >> height & 1 == 1) : (height += 1) {
            depth -= 1;
            top = node(&self.peaks[depth], &top);
        }
        self.peaks[depth] = top;
        self.count += 1;
    }

    /// `count` leaves at once, the first of `hashes`, which is written over and has to be longer
    /// than they are by one: as if each were pushed.
    pub fn pushAll(self: *Frontier, hashes: []Hash, count: usize) void {
        var new = count;
        var height: u6 = 0;
        var left: [64]Hash = undefined; // what each level keeps, lowest first
        var kept: usize = 0;
        var depth: usize = @popCount(self.count);
        const before = self.count;
        self.count += count;
        while (new > 0) : (height += 1) {
            if (before >> height & 1 == 1) {
                depth -= 1;
                std.mem.copyBackwards(Hash, hashes[1 .. new + 1], hashes[0..new]);
                hashes[0] = self.peaks[depth];
                new += 1;
            }
            if (new % 2 == 1) {
                left[kept] = hashes[new - 1];
                kept += 1;
            }
            new /= 2;
            lanes.nodesInPlace(hashes, new);
        }
        while (kept > 0) : (depth += 1) {
            kept -= 1;
            self.peaks[depth] = left[kept];
        }
    }

    pub fn root(self: *const Frontier) Hash {
        var depth: usize = @popCount(self.count);
        if (depth == 0) return sha256(&.{});
        depth -= 1;
        var top = self.peaks[depth];
        while (depth > 0) {
            depth -= 1;
            top = node(&self.peaks[depth], &top);
        }
        return top;
    }

    /// The peaks in use, as bytes.
    pub fn bytes(self: *const Frontier) []const u8 {
        return std.mem.sliceAsBytes(self.peaks[0..@popCount(self.count)]);
    }
};

test "leaves pushed at once or one by one" {
    var one_by_one = Frontier{};
    var at_once = Frontier{};
    var hashes: [41]Hash = undefined;
    for ([_]usize{ 1, 2, 7, 0, 40, 3, 16, 31, 1, 5 }, 0..) |count, round| {
        for (hashes[0..count], 0..) |*hash, i| {
            hash.* = sha256(&.{&.{ @as(u8, @intCast(round)), @as(u8, @intCast(i)) }});
            one_by_one.push(hash.*);
        }
        at_once.pushAll(&hashes, count);
        try std.testing.expectEqual(one_by_one.count, at_once.count);
        try std.testing.expectEqualSlices(u8, one_by_one.bytes(), at_once.bytes());
    }
}
