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
    free: std.ArrayListUnmanaged(u32) = .{}, // places in `nodes` that removals left
    top: u32 = nothing,

    pub fn clear(self: *Trie) void {
        self.nodes.clearRetainingCapacity();
        self.free.clearRetainingCapacity();
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

    /// Take a key away; nothing happens if it is not there.
    pub fn remove(self: *Trie, allocator: std.mem.Allocator, path: Hash) !void {
        try self.free.ensureUnusedCapacity(allocator, 258);
        var above: [256]u32 = undefined; // the inner nodes on the way
        var depth: u32 = 0;
        var at = self.top;
        while (at != nothing and !self.nodes.items[at].is_leaf) : (depth += 1) {
            above[depth] = at;
            at = self.nodes.items[at].children[bit(&path, depth)];
        }
        if (at == nothing or !std.mem.eql(u8, &self.nodes.items[at].path, &path)) return;
        self.free.appendAssumeCapacity(at);
        var below = nothing; // what stands where the last node was
        while (depth > 0) {
            depth -= 1;
            const here = &self.nodes.items[above[depth]];
            const side = bit(&path, depth);
            here.children[side] = below;
            here.stale = true;
            below = self.collapsed(above[depth]);
        }
        self.top = below;
    }

    /// An inner node, or what stands for it: a subtree with a single key is that key's leaf.
    fn collapsed(self: *Trie, at: u32) u32 {
        const left, const right = self.nodes.items[at].children;
        const only = if (left == nothing) right else if (right == nothing) left else return at;
        if (only != nothing and !self.nodes.items[only].is_leaf) return at;
        self.free.appendAssumeCapacity(at);
        return only;
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
        if (self.free.pop()) |at| {
            self.nodes.items[at] = new;
            return at;
        }
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

test "the root follows from the keys that are there, however they came and went" {
    const allocator = std.testing.allocator;
    var dice = std.Random.DefaultPrng.init(7);
    var come = Trie{};
    defer come.nodes.deinit(allocator);
    defer come.free.deinit(allocator);
    var there = [_]bool{false} ** 64;
    for (0..2_000) |_| {
        const key = dice.random().uintLessThan(u8, 64);
        const path = merkle.sha256(&.{&.{key}});
        there[key] = dice.random().boolean();
        if (there[key]) try come.set(allocator, path, path) else try come.remove(allocator, path);
        var made = Trie{};
        defer made.nodes.deinit(allocator);
        for (there, 0..) |is_there, other| {
            const place = merkle.sha256(&.{&.{@as(u8, @intCast(other))}});
            if (is_there) try made.set(allocator, place, place);
        }
        try std.testing.expectEqual(made.root(), come.root());
    }
    try std.testing.expect(come.nodes.items.len < 64 * 20);
}
