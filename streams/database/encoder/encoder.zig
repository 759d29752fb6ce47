//! Packed batches of records to ClickHouse's RowBinary rows, one call a batch.
//!
//! Python puts a packed batch (`streams/delivery/batch.py`) behind the Dapp's name into the input
//! buffer and calls `encode`; rows for each table are then in buffers of their own, with the end
//! and the record's offset of every row, so that Python can cut a block at any record without
//! reading the rows. Columns are those of `streams/database/tables.py`, in that order.

const std = @import("std");
const record = @import("record");
const repeats = @import("repeats");
const packed_batch = @import("packed.zig");
const rows = @import("rows.zig");

const allocator = std.heap.wasm_allocator;

/// What a topic carries; `streams/database/encoder/__init__.py` has the same numbers.
const Family = enum(u32) { messages = 0, results = 1, claims = 2, dead = 3 };

const Status = enum(i32) { ok = 0, bad_batch = -1, out_of_memory = -2 };

/// What an `encode` call tells Python; read by its layout.
const Report = extern struct {
    consumed: u32, // records read, from the first asked for
    messages: u32, // of those, messages that took a place in the window
    repeats: u32,
    rejected: u32, // records that are no such record: put aside as dead letters
    tables: [table_count]Extent,

    const Extent = extern struct { rows: u32, data: u32, len: u32, ends: u32, offsets: u32 };
};

const table_count = @typeInfo(rows.Table).@"enum".fields.len;

var input: []u8 = &.{};
var report: Report = undefined;
var tables: [table_count]rows.Rows = @splat(.{});
var windows: std.ArrayListUnmanaged(?repeats.Window) = .empty;

/// Room for `len` bytes; null when there is no memory.
export fn input_reserve(len: usize) ?[*]u8 {
    if (input.len < len) {
        allocator.free(input);
        input = &.{};
        input = allocator.alloc(u8, std.math.ceilPowerOfTwo(usize, len) catch return null) catch return null;
    }
    return input.ptr;
}

export fn report_address() *const Report {
    return &report;
}

/// A partition's window of repeats: its handle, or a negative `Status`.
export fn window_open(capacity: u32, spread: u64) i32 {
    var window = repeats.Window.init(capacity);
    window.spread = spread | 1;
    for (windows.items, 0..) |taken, handle| {
        if (taken == null) {
            windows.items[handle] = window;
            return @intCast(handle);
        }
    }
    windows.append(allocator, window) catch return @intFromEnum(Status.out_of_memory);
    return @intCast(windows.items.len - 1);
}

export fn window_close(handle: u32) void {
    if (windows.items[handle]) |*window| window.deinit(allocator);
    windows.items[handle] = null;
}

/// Lets a window remember a batch's messages and makes no rows of them; how many places of the
/// window have been taken by now, or a negative `Status`.
export fn remember(handle: u32, len: usize) i64 {
    const batch = packed_batch.Batch.parse(input[0..len]) catch return @intFromEnum(Status.bad_batch);
    const window = &windows.items[handle].?;
    var records = batch.iterate();
    while (records.next()) |at| {
        const value = at.value orelse continue;
        const parsed = record.parse(value) catch continue;
        if (parsed != .message) continue;
        const print = repeats.fingerprint(parsed.message.device, parsed.message.id);
        _ = window.seen(allocator, print) catch return @intFromEnum(Status.out_of_memory);
    }
    return @intCast(window.position);
}

/// Rows of a batch's records from number `start` on, up to the first whose offset is `stop` or
/// more. Input: `name_len` bytes of the Dapp's name, then the batch.
export fn encode(
    family: Family,
    handle: u32,
    name_len: usize,
    len: usize,
    partition: u32,
    start: u32,
    stop: i64,
) Status {
    const batch = packed_batch.Batch.parse(input[name_len..][0..len]) catch return .bad_batch;
    report = std.mem.zeroes(Report);
    for (&tables) |*table| table.clear();
    var encoder = Encoder{
        .dapp = input[0..name_len],
        .partition = partition,
        .window = if (family == .messages) &windows.items[handle].? else null,
    };
    var at_work = batch.iterate();
    while (at_work.next()) |at| {
        if (at.index < start) continue;
        if (at.offset >= stop) break;
        report.consumed += 1;
        encoder.one(family, at) catch return .out_of_memory;
    }
    for (&tables, &report.tables) |*table, *extent| {
        extent.* = .{
            .rows = @intCast(table.ends.items.len),
            .data = @intFromPtr(table.data.items.ptr),
            .len = table.data.items.len,
            .ends = @intFromPtr(table.ends.items.ptr),
            .offsets = @intFromPtr(table.offsets.items.ptr),
        };
    }
    return .ok;
}

const Encoder = struct {
    dapp: []const u8,
    partition: u32,
    window: ?*repeats.Window,

    const Error = std.mem.Allocator.Error;
    const no_id: [16]u8 = @splat(0);

    fn one(self: *Encoder, family: Family, at: packed_batch.Record) Error!void {
        if (family == .messages) return self.message(at);
        const parsed = record.parse(at.value orelse "") catch return self.reject(family, at);
        if (parsed != .output) return self.reject(family, at);
        const output = parsed.output;
        switch (family) {
            .results => if (output.kind == .result) return self.result(at, output),
            .dead => if (output.kind == .dead_letter) return self.deadLetter(at, output),
            .claims => switch (output.kind) {
                .claim => if (output.b.len >= salt_bytes) return self.claim(at, output),
                .summary => if (output.b.len == summary_bytes) return self.summary(at, output),
                else => {},
            },
            .messages => unreachable,
        }
        return self.reject(family, at);
    }

    /// Barriers, repeats and what execute makes a dead letter of give no row.
    fn message(self: *Encoder, at: packed_batch.Record) Error!void {
        const value = at.value orelse return;
        const parsed = record.parse(value) catch return;
        switch (parsed) {
            .raw => {
                const device = at.key orelse return;
                if (device.len == 0 or !std.unicode.utf8ValidateSlice(device)) return;
                try self.messageRow(at, .{
                    .label = "DEFAULT",
                    .device = device,
                    .id = &no_id,
                    .time_ms = @intCast(@max(at.timestamp_ms, 0)),
                    .payload = value,
                });
            },
            .message => |sent| {
                report.messages += 1;
                const print = repeats.fingerprint(sent.device, sent.id);
                if (try self.window.?.seen(allocator, print)) {
                    report.repeats += 1;
                } else {
                    try self.messageRow(at, sent);
                }
            },
            .barrier, .output => {},
        }
    }

    fn messageRow(self: *Encoder, at: packed_batch.Record, sent: record.Message) Error!void {
        const fixed = 96;
        var row = try self.begin(.messages, fixed + sent.device.len + sent.label.len + sent.payload.len);
        row.text(sent.device);
        row.time(sent.time_ms);
        row.uuid(sent.id);
        row.text(sent.label);
        row.text(sent.payload);
        self.end(.messages, &row, at);
    }

    fn result(self: *Encoder, at: packed_batch.Record, output: record.Output) Error!void {
        var row = try self.begin(.results, output.device.len + output.label.len + output.b.len + 128);
        row.text(output.device);
        row.time(output.time_ms);
        row.uuid(output.id);
        row.text(output.label);
        row.integer(u32, output.index);
        row.integer(u64, output.epoch);
        row.hexText(output.program);
        row.text(output.b);
        self.end(.results, &row, at);
    }

    fn claim(self: *Encoder, at: packed_batch.Record, output: record.Output) Error!void {
        var row = try self.begin(
            .claims,
            output.device.len + output.label.len + output.a.len + output.b.len + 160,
        );
        row.integer(u64, output.epoch);
        row.integer(u32, output.index);
        row.text(output.a);
        row.text(output.b[salt_bytes..]);
        row.bytes(output.b[0..salt_bytes]);
        row.text(output.device);
        row.time(output.time_ms);
        row.uuid(output.id);
        row.text(output.label);
        row.hexText(output.program);
        self.end(.claims, &row, at);
    }

    /// The body is `SUMMARY_BODY` of `streams/records.py`: u32, three roots, five counts.
    fn summary(self: *Encoder, at: packed_batch.Record, output: record.Output) Error!void {
        const body = output.b;
        var row = try self.begin(.summaries, 480);
        row.integer(u64, output.epoch);
        row.bytes(body[0..4]);
        row.hexText(output.program);
        for (0..3) |root| row.hexText(body[4 + root * 32 ..][0..32]);
        row.bytes(body[100..summary_bytes]);
        row.time(output.time_ms);
        self.end(.summaries, &row, at);
    }

    fn deadLetter(self: *Encoder, at: packed_batch.Record, output: record.Output) Error!void {
        try self.deadLetterRow(.dead, at, output, output.label, output.a, output.device, output.b);
    }

    /// A record that should not be in its topic is kept, with its bytes, as a dead letter.
    fn reject(self: *Encoder, family: Family, at: packed_batch.Record) Error!void {
        report.rejected += 1;
        const detail = switch (family) {
            .results => "not a result record, in the results topic",
            .claims => "not a claim or summary record, in the claims topic",
            .dead => "not a dead letter record, in the dead letters topic",
            .messages => unreachable,
        };
        const key = at.key orelse "";
        try self.deadLetterRow(family, at, null, "malformed_record", detail, key, at.value orelse "");
    }

    fn deadLetterRow(
        self: *Encoder,
        family: Family,
        at: packed_batch.Record,
        source: ?record.Output,
        reason: []const u8,
        detail: []const u8,
        key: []const u8,
        value: []const u8,
    ) Error!void {
        const room = reason.len + detail.len + key.len + value.len + 160;
        var row = try self.begin(.dead_letters, room + self.dapp.len);
        row.joined(@tagName(family), ".", self.dapp);
        row.text(reason);
        row.text(detail);
        row.text(key);
        row.text(value);
        row.time(if (source) |one_of| one_of.time_ms else @intCast(@max(at.timestamp_ms, 0)));
        row.uuid(if (source) |one_of| one_of.id else &no_id);
        row.integer(u64, if (source) |one_of| one_of.epoch else 0);
        self.end(.dead_letters, &row, at);
    }

    /// Every row begins with the Dapp and ends with where it came from.
    fn begin(self: *Encoder, table: rows.Table, room: usize) Error!rows.Row {
        var row = try tables[@intFromEnum(table)].reserve(allocator, room + self.dapp.len);
        row.text(self.dapp);
        return row;
    }

    fn end(self: *Encoder, table: rows.Table, row: *rows.Row, at: packed_batch.Record) void {
        row.integer(u32, self.partition);
        row.integer(i64, at.offset);
        row.time(@intCast(@max(at.timestamp_ms, 0)));
        tables[@intFromEnum(table)].commit(row, at.offset);
    }
};

const salt_bytes = 16;
const summary_bytes = 140;
