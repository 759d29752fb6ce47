//! The input tree's leaves and nodes, hashed some ahead and some behind, so that there are
//! always four at a time (lanes.zig). What comes out is the same as one by one, at any cut.
const std = @import("std");
const batches = @import("packed");
const lanes = @import("lanes.zig");
const merkle = @import("merkle.zig");

const ahead_max = 64; // leaves: their messages stay in the processor's cache until they run
const behind_max = 256;

pub const Inputs = struct {
    queue: lanes.Queue = .{},
    ahead: [ahead_max]merkle.Hash = undefined, // of the batch's entries from `first` to `end`
    first: u32 = 0,
    end: u32 = 0,
    behind: [behind_max + 1]merkle.Hash = undefined, // to be pushed; one place more for a peak
    waiting: u32 = 0,

    /// Another batch: nothing is known of its entries.
    pub fn begin(self: *Inputs) void {
        self.first = 0;
        self.end = 0;
        self.waiting = 0;
    }

    /// The leaf of the entry at hand.
    pub fn leaf(self: *Inputs, at: *const batches.Cursor) merkle.Hash {
        const index = at.here.?.index;
        if (index < self.first or index >= self.end) self.lookAhead(at);
        return self.ahead[index - self.first];
    }

    /// The next leaf of the tree; `settle` before its frontier is read.
    pub fn push(self: *Inputs, tree: *merkle.Frontier, hash: merkle.Hash) void {
        self.behind[self.waiting] = hash;
        self.waiting += 1;
        if (self.waiting == behind_max) self.settle(tree);
    }

    pub fn settle(self: *Inputs, tree: *merkle.Frontier) void {
        tree.pushAll(&self.behind, self.waiting);
        self.waiting = 0;
    }

    fn lookAhead(self: *Inputs, at: *const batches.Cursor) void {
        var rest = at.rest;
        var here = at.here;
        var lengths: [4]u8 = undefined;
        self.first = at.here.?.index;
        self.end = self.first;
        while (here) |entry| : (here = rest.next()) {
            if (self.end - self.first == ahead_max) break;
            const target = &self.ahead[self.end - self.first];
            self.end += 1;
            const key = entry.key orelse "";
            const value = entry.value orelse "";
            std.mem.writeInt(u32, &lengths, @intCast(key.len), .big);
            const parts = [_][]const u8{ &merkle.leaf_tag, &lengths, key, value };
            if (5 + key.len + value.len <= lanes.message_bytes_max) {
                self.queue.add(target, &parts);
            } else {
                target.* = merkle.sha256(&parts);
            }
        }
        self.queue.flush();
    }
};
