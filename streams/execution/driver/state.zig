//! Keyed state of one (Dapp, partition), with two depths of undo.
//!
//! An event that fails leaves no trace; a batch whose transaction aborts leaves none either, nor
//! do the batches computed after it. So every change goes to one undo log, and the value that a batch
//! found lives until the batch is committed; those in between, until their event has succeeded.
const std = @import("std");
const merkle = @import("merkle.zig");
const trie = @import("trie.zig");

const Cell = struct {
    value: ?[]u8 = null, // null: removed, or set by a batch that was taken back
    written_in: u32 = 0, // the batch that changed it last, so that a batch lists each key once
    in_epoch: bool = false, // changed since the state tree was last computed
};

/// `is_first`: of its cell in its batch; a later one is of use only until its event has succeeded.
const Change = struct { cell: u32, is_first: bool, before: ?[]u8 };

/// How everything was before an event.
pub const EventMark = struct { changes: usize, written: usize, touched: usize, cells: usize };

pub const State = struct {
    allocator: std.mem.Allocator,
    cells: std.StringArrayHashMapUnmanaged(Cell) = .{},
    bytes: u64 = 0,
    changes: std.ArrayListUnmanaged(Change) = .{},
    written: std.ArrayListUnmanaged(u32) = .{}, // cells that the open batch changed
    batch: u32 = 1,
    epoch_cells: std.ArrayListUnmanaged(u32) = .{},
    has_tree: bool = true, // whether anybody wants a root
    tree: trie.Trie = .{},
    tree_lost: bool = false, // an undone batch had closed an epoch: compute the tree anew
    empty_cells: u32 = 0, // without a value

    pub fn get(self: *State, key: []const u8) ?[]const u8 {
        const cell = self.cells.getPtr(key) orelse return null;
        return cell.value;
    }

    /// Set a key, or remove it (null); undone by `undo` until `forget`.
    pub fn set(self: *State, key: []const u8, value: ?[]const u8) !void {
        const copy: ?[]u8 = if (value) |bytes| try self.allocator.dupe(u8, bytes) else null;
        const index = try self.cellOf(key);
        const cell = &self.cells.values()[index];
        const is_first = cell.written_in != self.batch;
        try self.changes.append(self.allocator, .{
            .cell = index,
            .is_first = is_first,
            .before = cell.value,
        });
        self.account(cell.value, copy, key.len);
        cell.value = copy;
        if (is_first) {
            cell.written_in = self.batch;
            try self.written.append(self.allocator, index);
        }
        try self.touch(index);
    }

    /// Set or delete a key as the changelog has it: nothing to undo.
    pub fn load(self: *State, key: []const u8, value: ?[]const u8) !void {
        const index = try self.cellOf(key);
        const cell = &self.cells.values()[index];
        const copy: ?[]u8 = if (value) |bytes| try self.allocator.dupe(u8, bytes) else null;
        self.account(cell.value, copy, key.len);
        if (cell.value) |old| self.allocator.free(old);
        cell.value = copy;
        try self.touch(index);
    }

    pub fn mark(self: *const State) usize {
        return self.changes.items.len;
    }

    pub fn eventMark(self: *const State) EventMark {
        return .{
            .changes = self.changes.items.len,
            .written = self.written.items.len,
            .touched = self.epoch_cells.items.len,
            .cells = self.cells.count(),
        };
    }

    /// Take back all changes since `to`, newest first.
    pub fn undo(self: *State, to: usize) !void {
        while (self.changes.items.len > to) try self.touch(self.undoLast());
    }

    /// As if the event had never been: nothing that it set is listed as changed, no key of its
    /// stays in memory.
    pub fn undoEvent(self: *State, mark_: EventMark) void {
        while (self.changes.items.len > mark_.changes) _ = self.undoLast();
        const cells = self.cells.values();
        for (self.written.items[mark_.written..]) |index| cells[index].written_in = self.batch -% 1;
        self.written.shrinkRetainingCapacity(mark_.written);
        for (self.epoch_cells.items[mark_.touched..]) |index| cells[index].in_epoch = false;
        self.epoch_cells.shrinkRetainingCapacity(mark_.touched);
        self.empty_cells -= @intCast(self.cells.count() - mark_.cells);
        while (self.cells.count() > mark_.cells) self.allocator.free(self.cells.pop().?.key);
    }

    /// The event succeeded: from now on its changes are taken back with their batch or not at all,
    /// so of a key that the batch had changed before them they need not be kept.
    pub fn keepEvent(self: *State, mark_: EventMark) void {
        const changes = self.changes.items;
        var kept = mark_.changes;
        for (changes[mark_.changes..]) |change| {
            if (change.is_first) {
                changes[kept] = change;
                kept += 1;
            } else if (change.before) |old| self.allocator.free(old);
        }
        self.changes.shrinkRetainingCapacity(kept);
    }

    /// The cell of the newest change, which it takes back.
    fn undoLast(self: *State) u32 {
        const change = self.changes.pop().?;
        const cell = &self.cells.values()[change.cell];
        self.account(cell.value, change.before, self.cells.keys()[change.cell].len);
        if (cell.value) |value| self.allocator.free(value);
        cell.value = change.before;
        return change.cell;
    }

    /// The first `count` changes are committed: what they replaced can go.
    pub fn forget(self: *State, count: usize) void {
        for (self.changes.items[0..count]) |change| {
            if (change.before) |old| self.allocator.free(old);
        }
        const left = self.changes.items.len - count;
        std.mem.copyForwards(Change, self.changes.items[0..left], self.changes.items[count..]);
        self.changes.shrinkRetainingCapacity(left);
    }

    pub fn nextBatch(self: *State) void {
        self.batch +%= 1;
        self.written.clearRetainingCapacity();
        if (self.empty_cells > 1024 and self.empty_cells * 2 > self.cells.count()) {
            self.dropEmptyCells() catch {}; // without the memory for it they stay for now
        }
    }

    /// Keys that come and go would fill the memory with cells; they go when they are half of all.
    fn dropEmptyCells(self: *State) !void {
        const wanted = try self.allocator.alloc(bool, self.cells.count());
        defer self.allocator.free(wanted);
        for (self.cells.values(), wanted) |cell, *one| one.* = cell.value != null or cell.in_epoch;
        for (self.changes.items) |change| wanted[change.cell] = true;
        const moved = try self.allocator.alloc(u32, self.cells.count());
        defer self.allocator.free(moved);
        var kept = std.StringArrayHashMapUnmanaged(Cell){};
        try kept.ensureTotalCapacity(self.allocator, self.cells.count());
        for (self.cells.keys(), self.cells.values(), wanted, moved) |key, cell, is_wanted, *to| {
            to.* = @intCast(kept.count());
            if (is_wanted) {
                kept.putAssumeCapacityNoClobber(key, cell);
            } else {
                self.allocator.free(key);
                self.empty_cells -= 1;
            }
        }
        self.cells.deinit(self.allocator);
        self.cells = kept;
        for (self.changes.items) |*change| change.cell = moved[change.cell];
        for (self.epoch_cells.items) |*cell| cell.* = moved[cell.*];
    }

    /// The root of the state tree, for the cost of the keys that changed since the last call.
    pub fn root(self: *State) !merkle.Hash {
        if (self.tree_lost) {
            self.tree.clear();
            self.epoch_cells.clearRetainingCapacity();
            for (self.cells.values(), 0..) |*cell, index| {
                cell.in_epoch = true;
                try self.epoch_cells.append(self.allocator, @intCast(index));
            }
            self.tree_lost = false;
        }
        for (self.epoch_cells.items) |index| {
            const cell = &self.cells.values()[index];
            const key = self.cells.keys()[index];
            cell.in_epoch = false;
            const value = cell.value orelse {
                try self.tree.remove(self.allocator, merkle.sha256(&.{key}));
                continue;
            };
            var length: [4]u8 = undefined;
            std.mem.writeInt(u32, &length, @intCast(key.len), .big);
            const leaf = merkle.sha256(&.{ &merkle.leaf_tag, &length, key, value });
            try self.tree.set(self.allocator, merkle.sha256(&.{key}), leaf);
        }
        self.epoch_cells.clearRetainingCapacity();
        return self.tree.root();
    }

    fn cellOf(self: *State, key: []const u8) !u32 {
        const found = try self.cells.getOrPut(self.allocator, key);
        if (!found.found_existing) {
            found.value_ptr.* = .{};
            found.key_ptr.* = self.allocator.dupe(u8, key) catch |err| {
                _ = self.cells.pop();
                return err;
            };
            self.empty_cells += 1;
        }
        return @intCast(found.index);
    }

    fn touch(self: *State, index: u32) !void {
        const cell = &self.cells.values()[index];
        if (cell.in_epoch or !self.has_tree) return;
        cell.in_epoch = true;
        try self.epoch_cells.append(self.allocator, index);
    }

    fn account(self: *State, before: ?[]const u8, after: ?[]const u8, key_len: usize) void {
        if (before) |old| self.bytes -= old.len + key_len else self.empty_cells -= 1;
        if (after) |new| self.bytes += new.len + key_len else self.empty_cells += 1;
    }
};

// A plain model: the map as it was before each batch that is open.
test "events and batches taken back at random leave what a plain map would have" {
    const allocator = std.testing.allocator;
    const keys = 12;
    var dice = std.Random.DefaultPrng.init(3);
    const random = dice.random();
    var state = State{ .allocator = allocator };
    defer {
        state.forget(state.mark());
        for (state.cells.keys(), state.cells.values()) |key, cell| {
            allocator.free(key);
            if (cell.value) |value| allocator.free(value);
        }
        state.cells.deinit(allocator);
        state.changes.deinit(allocator);
        state.written.deinit(allocator);
        state.epoch_cells.deinit(allocator);
    }
    var now = [_]?u8{null} ** keys;
    var before: [3][keys]?u8 = undefined;
    var opened: [3]usize = undefined;
    var open: usize = 0;
    for (0..3_000) |_| {
        if (open == 3 or (open > 0 and random.uintLessThan(u8, 3) == 0)) {
            if (random.boolean()) { // all of them aborted
                try state.undo(opened[0]);
                now = before[0];
                open = 0;
            } else { // the oldest was committed
                const count = (if (open > 1) opened[1] else state.mark()) - opened[0];
                state.forget(count);
                for (1..open) |i| {
                    opened[i - 1] = opened[i] - count;
                    before[i - 1] = before[i];
                }
                open -= 1;
            }
        } else {
            state.nextBatch();
            opened[open] = state.mark();
            before[open] = now;
            open += 1;
            for (0..random.uintLessThan(u8, 6)) |_| {
                const mark = state.eventMark();
                const unchanged = now;
                for (0..random.uintLessThan(u8, 4)) |_| {
                    const key = random.uintLessThan(u8, keys);
                    now[key] = if (random.uintLessThan(u8, 5) == 0) null else random.int(u8);
                    try state.set(&.{key}, if (now[key]) |value| &.{value} else null);
                }
                if (random.boolean()) {
                    state.keepEvent(mark);
                } else {
                    state.undoEvent(mark);
                    now = unchanged;
                }
            }
            // Of each key no more than the value that the batch found.
            try std.testing.expect(state.mark() - opened[open - 1] <= keys);
        }
        for (now, 0..) |value, key| {
            const found = state.get(&.{@as(u8, @intCast(key))});
            try std.testing.expectEqual(value, if (found) |bytes| bytes[0] else null);
        }
    }
}
