//! What Python calls of the driver (`streams.execution.instance`).
//!
//! A batch:
//!
//!     input(size)      room for the packed batch, which Python writes
//!     begin(first)     open it
//!     run()            done | barrier | renew | spent | erased; a trap unwinds to Python, which calls fail()
//!     close_epoch()    at a barrier, then run() again
//!                      erased: rows of SQL tables went otherwise than by SQL; run() again
//!     finish()         state changes and progress become records; streams() says where all lie
//!     commit()         the oldest open batch is in Kafka      rollback()  none of them is
const std = @import("std");
const record = @import("record");
const repeats = @import("repeats");
const batches = @import("packed");
const configs = @import("config.zig");
const erasing = @import("erasing.zig");
const events = @import("event.zig");
const files = @import("files.zig");
const guest = @import("guest.zig");
const progresses = @import("progress.zig");
const stdio = @import("stdio.zig");
const driver = @import("driver.zig");

const host = &driver.host;

const key_state = "k";
const key_progress = "p";
const key_row = "q";
const key_file = "f";
const epochs_missed_max = 1 << 32;
const rows_bytes = 1 << 22; // of SQL tables, given to Python at once

const Status = enum(i32) { done, barrier, renew, spent, erased };

export fn input(size: u32) [*]u8 {
    if (host.input.len < size) {
        driver.allocator.free(host.input);
        host.input = &.{};
        host.input = driver.allocator.alloc(u8, size) catch driver.outOfMemory();
    }
    host.input_size = size;
    return host.input.ptr;
}

var config_room = std.heap.ArenaAllocator.init(driver.allocator);

/// Read the configuration from the scratch: the input may hold a batch that is at work.
export fn configure() void {
    _ = config_room.reset(.free_all);
    host.config = configs.decode(config_room.allocator(), host.scratch.ptr) catch
        driver.outOfMemory();
    host.state.has_tree = host.config.roots;
    host.rows.has_tree = host.config.roots;
}

/// A window of repeats that remembers nothing yet.
export fn clear_window(messages: u32) void {
    host.window.deinit(driver.allocator);
    host.window = repeats.Window.init(messages);
}

/// Records of `state.<dapp>` from the input: keyed state and progress as they were committed.
export fn restore() i32 {
    const batch = inputBatch();
    var entries = batch.iterate();
    while (entries.next()) |entry| {
        const key = entry.key orelse return 0;
        if (std.mem.startsWith(u8, key, key_state)) {
            host.state.load(key[key_state.len..], entry.value) catch driver.outOfMemory();
        } else if (std.mem.startsWith(u8, key, key_row)) {
            host.rows.load(key[key_row.len..], entry.value) catch driver.outOfMemory();
        } else if (std.mem.startsWith(u8, key, key_file)) {
            const name = std.mem.concat(driver.allocator, u8, &.{ files.prefix, key[key_file.len..] }) catch
                driver.outOfMemory();
            defer driver.allocator.free(name);
            host.state.load(name, entry.value) catch driver.outOfMemory();
        } else if (std.mem.eql(u8, key, key_progress)) {
            host.progress = progresses.Progress.decode(entry.value orelse return 0) orelse return 0;
        } else return 0;
    }
    return 1;
}

/// Messages from the input that came before: only their ids are remembered. How many places of
/// the window have been taken by now.
export fn remember() u64 {
    const batch = inputBatch();
    var entries = batch.iterate();
    while (entries.next()) |entry| {
        const parsed = record.parse(entry.value orelse continue) catch continue;
        if (parsed != .message) continue;
        const print = driver.fingerprints.of(parsed.message.device, parsed.message.id);
        _ = host.window.seen(driver.allocator, print) catch driver.outOfMemory();
    }
    return host.window.position;
}

/// Open the batch in the input, from its entry number `first` on.
export fn begin(first: u32) void {
    host.batch = inputBatch();
    host.at = batches.Cursor.init(&host.batch);
    while (host.at.passed() < first) host.at.advance();
    host.fuel_spent = 0;
    host.bytes_made = 0;
    for (&host.streams) |*one| one.clear();
    host.counts = .{};
    host.state.nextBatch();
    host.rows.nextBatch();
    host.inputs.begin();
    host.opened.append(driver.allocator, .{
        .changes = host.state.mark(),
        .rows = host.rows.mark(),
        .window = host.window.mark(),
        .progress = host.progress,
    }) catch driver.outOfMemory();
}

export fn run() Status {
    while (host.at.here) |entry| {
        if (host.event.handlers.len > 0) {
            host.proceed(entry);
        } else {
            if (host.fuel_spent > host.config.batch_fuel) return .spent;
            if (host.bytes_made > host.config.batch_bytes) return .spent;
            if (barrierOf(entry) != null) return .barrier;
            if (erasing.of(entry)) |erasure| {
                if (erasing.apply(host, erasure, entry)) return .erased;
                continue;
            }
            host.step(entry);
        }
        if (host.isSpent()) return .renew;
    }
    return .done;
}

/// The event at hand trapped: `reason`, with a text of `size` bytes in the scratch. Done: go on;
/// renew: go on with a new instance.
export fn fail(reason: events.Reason, size: u32) Status {
    const entry = host.at.here.?;
    const detail = driver.allocator.dupe(u8, host.scratch[0..size]) catch driver.outOfMemory();
    defer driver.allocator.free(detail);
    host.pay();
    host.fuel_spent += host.config.fuel - guest.module.fuel_left();
    host.event.handlers = &.{};
    stdio.flush();
    host.undoEvent();
    host.reject(entry, host.event.breach orelse reason, detail);
    // Nobody knows what the trap left half done in an instance that is kept.
    return if (host.isSpent() or !host.config.fresh) .renew else .done;
}

export fn scratch(size: u32) [*]u8 {
    return host.scratchOf(size).ptr;
}

export fn close_epoch() void {
    const entry = host.at.here.?;
    host.closeEpoch(barrierOf(entry).?, entry);
}

/// State changes and progress of the batch become records of the state stream.
export fn finish() void {
    host.inputs.settle(&host.progress.inputs);
    const out = host.stream(.state);
    out.clear(); // of rows that were given at a takeover
    for (host.state.written.items) |index| {
        const value = host.state.cells.values()[index].value;
        const key = host.state.cells.keys()[index];
        if (files.nameOf(key)) |name| addState(key_file, name, value) else addState(key_state, key, value);
    }
    for (host.rows.written.items) |index| {
        addState(key_row, host.rows.cells.keys()[index], host.rows.cells.values()[index].value);
    }
    var bytes = std.ArrayListUnmanaged(u8){};
    defer bytes.deinit(driver.allocator);
    host.progress.encode(&bytes, driver.allocator) catch driver.outOfMemory();
    out.add(driver.allocator, key_progress, &.{bytes.items}) catch driver.outOfMemory();
}

/// What has no value any more is a record of the stream of what is gone, which has keys only.
fn addState(prefix: []const u8, key: []const u8, value: ?[]const u8) void {
    const name = std.mem.concat(driver.allocator, u8, &.{ prefix, key }) catch driver.outOfMemory();
    defer driver.allocator.free(name);
    const out = host.stream(if (value == null) .gone else .state);
    out.add(driver.allocator, name, &.{value orelse ""}) catch driver.outOfMemory();
}

export fn commit() void {
    const oldest = host.opened.orderedRemove(0);
    const next = if (host.opened.items.len > 0) &host.opened.items[0] else null;
    const changes = (if (next) |one| one.changes else host.state.mark()) - oldest.changes;
    const rows = (if (next) |one| one.rows else host.rows.mark()) - oldest.rows;
    host.state.forget(changes);
    host.rows.forget(rows);
    for (host.opened.items) |*one| {
        one.changes -= changes;
        one.rows -= rows;
    }
}

/// Rows of SQL tables into the stream of state, from the cell numbered `first` on: keys without
/// a prefix, values. Answers where to go on; 0 when these were the last.
export fn give_rows(first: u32) u32 {
    const out = host.stream(.state);
    out.clear();
    const keys = host.rows.cells.keys();
    for (keys[first..], host.rows.cells.values()[first..], first..) |key, cell, at| {
        if (out.data.items.len > rows_bytes) return @intCast(at);
        const value = cell.value orelse continue;
        out.add(driver.allocator, key, &.{value}) catch driver.outOfMemory();
    }
    return 0;
}

/// Bytes of the rows of SQL tables, keys and values.
export fn row_bytes() u64 {
    return host.rows.bytes;
}

/// Everything not committed is taken back. 0: it reaches further than the window remembers.
export fn rollback() i32 {
    if (host.opened.items.len == 0) return 1;
    for (host.opened.items) |one| {
        if (!one.closed_epoch) continue;
        host.state.tree_lost = true;
        host.rows.tree_lost = true;
    }
    const oldest = host.opened.items[0];
    host.state.undo(oldest.changes) catch driver.outOfMemory();
    host.rows.undo(oldest.rows) catch driver.outOfMemory();
    host.progress = oldest.progress;
    host.opened.clearRetainingCapacity();
    return @intFromBool(host.window.undo(oldest.window));
}

/// The address of, for each topic: data, its size, index, its count of numbers (u32 each).
export fn streams() [*]const u32 {
    const table = struct {
        var rows: [driver.topics * 4]u32 = undefined;
    };
    for (&host.streams, 0..) |*one, i| {
        table.rows[i * 4 ..][0..4].* = .{
            @intFromPtr(one.data.items.ptr),  one.data.items.len,
            @intFromPtr(one.index.items.ptr), one.index.items.len,
        };
    }
    return &table.rows;
}

/// What the handler returned for the latest event; -1 when it failed.
export fn last_code() i32 {
    return host.event.code;
}

export fn counts() *const driver.Counts {
    return &host.counts;
}

/// The new program instance's start function runs between these two.
export fn begin_start() void {
    host.beginStart();
}

export fn end_start() void {
    host.endStart();
}

/// The new program instance's memory size, after a renewal.
export fn renewed(pages: u32) void {
    host.config.pages = pages;
}

/// Whether the last trap left the host itself in pieces.
export fn lost() bool {
    return host.lost;
}

/// How many entries of the batch have been dealt with.
export fn consumed() u32 {
    return host.at.passed();
}

/// Instructions that the batch's events ran.
export fn fuel_spent() i64 {
    return host.fuel_spent;
}

/// SHA-256 of the deployment that the log has put in charge; zero: the Dapp's first.
export fn deployment() *const [32]u8 {
    return &host.progress.deployment;
}

export fn next_offset() i64 {
    return host.progress.next_offset;
}

export fn epoch() u64 {
    return host.progress.epoch;
}

export fn state_keys() u32 {
    return @as(u32, @intCast(host.state.cells.count())) - host.state.empty_cells;
}

export fn state_bytes() u64 {
    return host.state.bytes;
}

fn inputBatch() batches.Batch {
    return batches.Batch.parse(host.input[0..host.input_size]) catch driver.outOfMemory();
}

fn barrierOf(entry: batches.Record) ?record.Barrier {
    const value = entry.value orelse return null;
    if (value.len < record.header_bytes or value[0] != record.magic) return null;
    if (value[2] != @intFromEnum(record.Kind.barrier)) return null; // every message comes by here
    const parsed = record.parse(value) catch return null;
    if (parsed != .barrier) return null;
    // Epochs are missing where the log was cut while nobody read it; never as many as this.
    const ahead = parsed.barrier.epoch -| host.progress.epoch;
    return if (ahead <= epochs_missed_max) parsed.barrier else null;
}
