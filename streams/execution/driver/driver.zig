//! The host of a W3bStream program, living in wasm beside it.
//!
//! A call from wasm into Python costs 10-40 µs, an event's share of everything else about 2 µs;
//! so the host functions (abi.zig, wasi.zig), keyed state (state.zig), outputs and the Merkle
//! trees live here, and one call from Python runs a whole batch. The program stays as it was
//! compiled: it has its own memory, which this module reaches through the shim (guest.zig).
//! What Python calls of it is in exports.zig.
const std = @import("std");
const record = @import("record");
const repeats = @import("repeats");
const answers = @import("answers.zig");
const batches = @import("packed");
const configs = @import("config.zig");
const costs = @import("costs.zig");
const epochs = @import("epochs.zig");
const events = @import("event.zig");
const guest = @import("guest.zig");
const incoming = @import("incoming.zig");
const inputs = @import("inputs.zig");
const merkle = @import("merkle.zig");
const outside = @import("outside.zig");
const outputs = @import("outputs.zig");
const progresses = @import("progress.zig");
const starts = @import("starts.zig");
const states = @import("state.zig");
const stdio = @import("stdio.zig");

comptime {
    _ = @import("abi.zig");
    _ = @import("exports.zig");
    _ = @import("outside.zig");
    _ = @import("wasi.zig");
}

pub const panic = std.debug.FullPanic(struct {
    fn trap(_: []const u8, _: ?usize) noreturn {
        outOfMemory();
    }
}.trap);

pub const allocator = std.heap.wasm_allocator;
pub var host: Driver = .{};
pub var fingerprints: repeats.Fingerprints = .{};

const reasons = std.enums.values(events.Reason).len;
pub const topics = std.enums.values(outputs.Topic).len;

const arena_kept = 64 * 1024; // bytes

/// What an open batch found, so that it can be taken back.
const Opened = struct {
    changes: usize,
    rows: usize, // changes of them
    window: u64,
    progress: progresses.Progress,
    closed_epoch: bool = false,
};

/// Counts of the batch at work, as Python reads them.
pub const Counts = extern struct {
    processed: u64 = 0,
    repeats: u64 = 0,
    results: u64 = 0,
    claims: u64 = 0,
    effects: u64 = 0,
    dead: [reasons]u64 = .{0} ** reasons,
};

pub const Driver = struct {
    config: configs.Config = .{},
    state: states.State = .{ .allocator = allocator },
    rows: states.State = .{ .allocator = allocator }, // of the program's SQL tables
    window: repeats.Window = repeats.Window.init(1), // until `clear_window`
    progress: progresses.Progress = .{},
    streams: [topics]outputs.Stream = .{outputs.Stream{}} ** topics,
    inputs: inputs.Inputs = .{},
    event: events.Event = .{},
    marks: events.Marks = undefined,
    event_claims: std.ArrayListUnmanaged(merkle.Hash) = .{},
    starting: ?starts.Aside = null, // while a program's start function runs
    batch: batches.Batch = undefined,
    at: batches.Cursor = undefined, // the entry of the batch at hand
    opened: std.ArrayListUnmanaged(Opened) = .{},
    counts: Counts = .{},
    fuel_spent: i64 = 0, // by the batch at work
    bytes_made: u64 = 0, // by it: outputs, and what it wrote to keyed state
    arena: std.heap.ArenaAllocator = std.heap.ArenaAllocator.init(allocator), // of the event
    input: []u8 = &.{},
    input_size: u32 = 0,
    scratch: []u8 = &.{},
    lost: bool = false,

    pub fn stream(self: *Driver, topic: outputs.Topic) *outputs.Stream {
        return &self.streams[@intFromEnum(topic)];
    }

    // --- for host functions ---------------------------------------------------------------------

    /// A record of this event for one of the topics.
    pub fn emit(
        self: *Driver,
        topic: outputs.Topic,
        kind: outputs.Kind,
        label: []const u8,
        a: []const u8,
        b: []const []const u8,
    ) void {
        self.charge(outputs.record_bytes);
        const head = self.headOf(kind, label, self.event.index);
        self.stream(topic).addOutput(allocator, self.event.device, head, a, b) catch outOfMemory();
    }

    /// What somebody outside is to do because of this event.
    pub fn emitEffect(self: *Driver, label: []const u8, target: []const u8, body: []const []const u8) void {
        self.event.effects += 1;
        if (self.event.effects > self.config.effects_max) {
            self.breach(.effect_limit, "the event asked for more effects than it may");
        }
        self.emit(.effects, .effect, label, target, body);
        self.event.index += 1;
    }

    pub fn addClaim(self: *Driver, subject: []const u8, statement: []const u8, salt: [16]u8) void {
        self.charge(outputs.record_bytes);
        const index: u32 = @intCast(self.progress.claims.count + self.event_claims.items.len);
        const head = self.headOf(.claim, self.event.event_type, index);
        self.stream(.claims).addOutput(
            allocator,
            self.event.device,
            head,
            subject,
            &.{ &salt, statement },
        ) catch outOfMemory();
        const leaf = epochs.claimLeaf(self, index, salt, subject, statement);
        self.event_claims.append(allocator, leaf) catch outOfMemory();
    }

    pub fn writeLog(self: *Driver, level: events.Level, source: []const u8, text: []const u8) void {
        if (level.explains()) self.explain(text);
        if (!self.keeps(level) or self.event.lines >= self.config.lines_max) return;
        self.event.lines += 1;
        const head = self.headOf(.log, @tagName(level), self.event.lines);
        const kept = text[0..@min(text.len, self.config.log_text_bytes_max)];
        self.stream(.logs).addOutput(allocator, self.event.device, head, source, &.{kept}) catch
            outOfMemory();
    }

    /// Why a host function could not do what the program asked of it.
    pub fn logError(self: *Driver, text: []const u8) void {
        self.writeLog(.@"error", "wasmExportFunc", text);
    }

    /// Whether logs of this level go anywhere.
    pub fn keeps(self: *const Driver, level: events.Level) bool {
        return @intFromEnum(level) < self.config.log_levels;
    }

    pub const countLog = costs.countLog;
    pub const charge = costs.charge;
    pub const chargeState = costs.chargeState;
    pub const spend = costs.spend;
    pub const spendFuel = costs.spendFuel;
    pub const pay = costs.pay;
    pub const breach = costs.breach;
    pub const beginStart = starts.begin;
    pub const endStart = starts.end;
    pub const stored = starts.stored;

    /// The event's leaf of the input tree, which is also the seed of what must look random:
    /// made when it is asked for where no tree is kept.
    pub fn inputLeaf(self: *Driver) *const merkle.Hash {
        if (self.event.leaf == null) self.event.leaf = self.inputs.leaf(&self.at);
        return &self.event.leaf.?;
    }

    /// Looks random, and follows from the message: see `Event.random`.
    pub fn random(self: *Driver) u64 {
        self.spendFuel(costs.draw_fuel);
        return self.event.random(self.inputLeaf());
    }

    /// For what an event needs until it ends, however it ends: a trap runs nothing that would
    /// free it.
    pub fn temporary(self: *Driver) std.mem.Allocator {
        self.event.has_copied = true;
        return self.arena.allocator();
    }

    /// Room that the next call of this function takes back.
    pub fn scratchOf(self: *Driver, size: u32) []u8 {
        if (self.scratch.len < size) {
            self.scratch = allocator.realloc(self.scratch, @max(size, 4096)) catch outOfMemory();
        }
        return self.scratch[0..size];
    }

    // --- one event -------------------------------------------------------------------------------

    /// The entry at hand through the program; leaves it to `fail` when the program traps.
    pub fn step(self: *Driver, entry: batches.Record) void {
        self.beginEvent(entry);
        switch (incoming.read(self, entry)) {
            .event => {},
            .repeat => {
                answers.give(self, answers.repeat, "");
                return self.next(entry);
            },
            .refused => |why| return self.reject(entry, why.reason, why.text),
        }
        self.event.handlers = self.config.handlersOf(self.event.event_type) orelse
            return self.reject(entry, .no_handler, "no handler for this event type, nor for DEFAULT");
        self.event.fuel = self.config.fuel;
        self.event.rid = handleOf(self.progress.epoch, self.progress.messages);
        self.proceed(entry);
    }

    /// The event's handlers that have not run yet, each on an instance as good as new. Returns
    /// between two when there has to be a new one first.
    pub fn proceed(self: *Driver, entry: batches.Record) void {
        const event = &self.event;
        while (true) {
            if (self.config.fresh) guest.module.restore();
            guest.module.refuel(event.fuel);
            const code = guest.module.call(event.handlers[0], event.rid);
            self.pay();
            event.fuel = guest.module.fuel_left();
            stdio.flush();
            event.noteCode(code);
            event.handlers = event.handlers[1..];
            if (event.handlers.len == 0) break;
            if (self.isSpent()) return;
        }
        self.fuel_spent += self.config.fuel - event.fuel;
        self.endEvent(entry, event.result);
    }

    fn beginEvent(self: *Driver, entry: batches.Record) void {
        const event = &self.event;
        if (event.has_copied) _ = self.arena.reset(.{ .retain_with_limit = arena_kept });
        event.resources.clearRetainingCapacity();
        event.last_error.clearRetainingCapacity();
        event.* = .{ .resources = event.resources, .last_error = event.last_error };
        event.time_ms = @max(entry.timestamp_ms, 0);
        // A raw message has no id: its place in the log serves as one. Nothing signed uses it.
        std.mem.writeInt(u32, event.id[4..8], self.config.partition, .big);
        std.mem.writeInt(i64, event.id[8..16], entry.offset, .big);
        if (self.config.roots) event.leaf = self.inputs.leaf(&self.at);
        self.event_claims.clearRetainingCapacity();
        self.mark();
    }

    pub fn mark(self: *Driver) void {
        self.marks.state = self.state.eventMark();
        self.marks.rows = self.rows.eventMark();
        for (&self.streams, 0..) |*one, i| self.marks.streams[i] = one.mark();
    }

    fn endEvent(self: *Driver, entry: batches.Record, code: i32) void {
        outside.eventDone();
        self.state.keepEvent(self.marks.state);
        self.rows.keepEvent(self.marks.rows);
        self.event.code = code;
        self.bytes_made += self.event.output_bytes + self.event.state_bytes;
        for (self.event_claims.items) |leaf| self.progress.claims.push(leaf);
        self.counts.claims += self.event_claims.items.len;
        const results = self.streams[@intFromEnum(outputs.Topic.results)].index.items.len / 3 -
            self.marks.streams[@intFromEnum(outputs.Topic.results)].index / 3;
        self.counts.results += results;
        self.counts.effects += self.stream(.effects).index.items.len / 3 -
            self.marks.streams[@intFromEnum(outputs.Topic.effects)].index / 3;
        self.progress.results += results;
        self.countInput();
        if (code < 0) {
            var said: [40]u8 = undefined;
            const text = std.fmt.bufPrint(&said, "the handler returned {d}", .{code}) catch unreachable;
            self.bury(entry, .returned_error, text);
        } else {
            self.counts.processed += 1;
            answers.give(self, answers.processed, "");
        }
        self.next(entry);
    }

    /// The event is no event, or left no trace but a dead letter.
    pub fn reject(self: *Driver, entry: batches.Record, reason: events.Reason, detail: []const u8) void {
        self.countInput();
        self.bury(entry, reason, detail);
        self.next(entry);
    }

    fn countInput(self: *Driver) void {
        if (self.config.roots) self.inputs.push(&self.progress.inputs, self.event.leaf.?);
        self.progress.messages += 1;
    }

    fn bury(self: *Driver, entry: batches.Record, reason: events.Reason, detail: []const u8) void {
        const explained = self.event.last_error.items;
        // A compressed record may be larger than any that its dead letter fits into.
        const value = entry.value orelse "";
        const kept = value[0..@min(value.len, self.config.dead_bytes_max)];
        const cut = if (kept.len < value.len) "\ncut: the whole value is in the topic of messages" else "";
        const text = std.mem.concat(allocator, u8, &.{
            explained, if (explained.len > 0) "\n" else "", detail, cut,
        }) catch outOfMemory();
        defer allocator.free(text);
        const head = self.headOf(.dead_letter, @tagName(reason), 0);
        const key = entry.key orelse "";
        self.stream(.dead).addOutput(allocator, key, head, text, &.{kept}) catch
            outOfMemory();
        answers.give(self, @tagName(reason), text);
        self.bytes_made += kept.len + text.len;
        self.counts.dead[@intFromEnum(reason)] += 1;
        self.progress.dead += 1;
    }

    pub fn undoEvent(self: *Driver) void {
        outside.eventUndone();
        self.state.undoEvent(self.marks.state);
        self.rows.undoEvent(self.marks.rows);
        for (&self.streams, 0..) |*one, i| {
            if (i != @intFromEnum(outputs.Topic.logs)) one.undo(self.marks.streams[i]);
        }
    }

    pub fn next(self: *Driver, entry: batches.Record) void {
        self.progress.next_offset = entry.offset + 1;
        self.at.advance();
    }

    pub fn explain(self: *Driver, text: []const u8) void {
        const last = &self.event.last_error;
        last.clearRetainingCapacity();
        last.appendSlice(allocator, text[0..@min(text.len, 2048)]) catch outOfMemory();
    }

    /// Whether the program's instance has to be put back to what it was before the event, and
    /// cannot be.
    pub fn isSpent(self: *const Driver) bool {
        if (!self.config.fresh) return false;
        return guest.module.pages() != self.config.pages or self.config.lasting;
    }

    // --- epochs ----------------------------------------------------------------------------------

    pub fn closeEpoch(self: *Driver, barrier: record.Barrier, entry: batches.Record) void {
        defer self.next(entry);
        if (barrier.epoch < self.progress.epoch) return; // closed before
        if (self.config.roots) epochs.summarise(self, barrier);
        self.progress = .{
            .next_offset = self.progress.next_offset,
            .epoch = barrier.epoch + 1,
            .deployment = if (barrier.deployment) |named| named.* else self.progress.deployment,
        };
        self.opened.items[self.opened.items.len - 1].closed_epoch = true;
    }

    pub fn headOf(self: *Driver, kind: outputs.Kind, label: []const u8, index: u32) outputs.Head {
        return .{
            .kind = kind,
            .label = label,
            .device = self.event.device,
            .time_ms = self.event.time_ms,
            .id = self.event.id,
            .epoch = self.progress.epoch,
            .program = self.config.program[0..8].*,
            .index = index,
        };
    }
};

/// The handle under which a program gets its data: 31 bits, never 0, and never twice in an epoch
/// (the multiplier is odd). It follows from the message's place among its epoch's, so that every
/// node and every replay gives the same.
fn handleOf(epoch: u64, number: u64) i32 {
    const mixed = (epoch *% 0x9E37_79B9 +% number) *% 0x2545_F491;
    const handle: u31 = @truncate(mixed);
    return if (handle == 0) std.math.maxInt(i32) else handle;
}

/// The host itself cannot go on. Python drops the instance and its partition starts anew.
pub fn outOfMemory() noreturn {
    host.lost = true;
    @trap();
}
