//! The state tree: a compact sparse Merkle tree over keyed state.
//!
//! A key's place is the path of bits of SHA-256(key). A subtree without keys hashes to
//! SHA-256(""), one with a single key to that key's leaf, any other to node(left, right). So the
//! root depends on what the state is, not on how it came about, and a changed key costs one leaf
//! and the O(log n) nodes above it, shared between the keys that an epoch changed.
const std = @import("std");
const merkle = @import("merkle.zig");
const Hash = merkle.Hash;

const nothing: u32 = 0xFFFF_FFFF;

const Node = struct {
    hash: Hash,
    /// Of an inner node; `nothing` where a child has no keys.
    children: [2]u32 = .{ nothing, nothing },
    path: Hash = undefined, // of a leaf
    is_leaf: bool,
    stale: bool = false, // an inner node whose hash must be computed again
};

pub const Trie = struct {
    nodes: std.ArrayListUnmanaged(Node) = .{},
    top: u32 = nothing,

    pub fn clear(self: *Trie) void {
        self.nodes.clearRetainingCapacity();
        self.top = nothing;
    }

    /// Set the value of a key: its path and leaf hash.
    pub fn set(self: *Trie, allocator: std.mem.Allocator, path: Hash, leaf: Hash) !void {
        // Room for the longest split first, so that pointers into `nodes` stay good below.
        try self.nodes.ensureUnusedCapacity(allocator, 258);
        var place = &self.top;
        var depth: u32 = 0;
        while (place.* != nothing) {
            const here = &self.nodes.items[place.*];
            if (here.is_leaf) {
                if (std.mem.eql(u8, &here.path, &path)) {
                    here.hash = leaf;
                    return;
                }
                return self.split(place, depth, path, leaf);
            }
            here.stale = true;
            place = &here.children[bit(&path, depth)];
            depth += 1;
        }
        place.* = self.add(.{ .hash = leaf, .path = path, .is_leaf = true });
    }

    pub fn root(self: *Trie) Hash {
        return self.hashOf(self.top);
    }

    /// Two leaves share a place: inner nodes down to where their paths part.
    fn split(self: *Trie, start: *u32, start_depth: u32, path: Hash, leaf: Hash) void {
        const other = start.*;
        const other_path = self.nodes.items[other].path;
        var place = start;
        var depth = start_depth;
        while (bit(&path, depth) == bit(&other_path, depth)) : (depth += 1) {
            place.* = self.add(.{ .hash = undefined, .is_leaf = false, .stale = true });
            place = &self.nodes.items[place.*].children[bit(&path, depth)];
        }
        const fork = self.add(.{ .hash = undefined, .is_leaf = false, .stale = true });
        place.* = fork;
        const mine = self.add(.{ .hash = leaf, .path = path, .is_leaf = true });
        self.nodes.items[fork].children[bit(&path, depth)] = mine;
        self.nodes.items[fork].children[bit(&other_path, depth)] = other;
    }

    fn add(self: *Trie, new: Node) u32 {
        self.nodes.appendAssumeCapacity(new);
        return @intCast(self.nodes.items.len - 1);
    }

    fn hashOf(self: *Trie, at: u32) Hash {
        if (at == nothing) return merkle.sha256(&.{});
        const here = &self.nodes.items[at];
        if (here.stale) {
            const left = self.hashOf(here.children[0]);
            const right = self.hashOf(here.children[1]);
            here.hash = merkle.node(&left, &right);
            here.stale = false;
        }
        return here.hash;
    }
};

fn bit(path: *const Hash, depth: u32) u1 {
    return @truncate(path[depth / 8] >> @intCast(7 - depth % 8));
}
