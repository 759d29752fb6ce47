//! RFC 6962 Merkle trees over SHA-256, built one leaf at a time in O(log n) memory.
const std = @import("std");
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
