//! Packed batches of records to ClickHouse's RowBinary rows, one call a batch.
//!
//! Python puts a packed batch (`streams/delivery/batch.py`) behind the Dapp's name into the input
//! buffer and calls `encode`. The rows of one call are all of one table, since a block that
//! ClickHouse refuses must be refused as a whole: reading stops before a record whose row goes to
//! another one. With the rows come each one's end and its record's offset, so that Python can cut a
//! block at any record without reading rows. Columns are those of `streams/database/tables.py`, in
//! that order.

const std = @import("std");
const record = @import("record");
const repeats = @import("repeats");
const packed_batch = @import("packed");
const Erased = @import("erased.zig").Erased;
const rows = @import("rows.zig");

const allocator = std.heap.wasm_allocator;

/// What a topic carries; `streams/database/encoder/host.py` has the same numbers.
const Family = enum(u32) { messages = 0, results = 1, claims = 2, dead = 3, state = 4, effects = 5 };

const Status = enum(i32) { ok = 0, bad_batch = -1, out_of_memory = -2 };

/// What an `encode` call tells Python; read by its layout.
const Report = extern struct {
    consumed: u32, // records read, from the first asked for
    messages: u32, // of those, messages that took a place in the window
    repeats: u32,
    rejected: u32, // records that do not belong in their topic: put aside as dead letters
    table: i32, // where the rows go; -1: there are none
    rows: u32,
    data: u32,
    len: u32,
    ends: u32,
    offsets: u32,
};

var input: []u8 = &.{};
var report: Report = undefined;
var output: rows.Rows = .{};
var fingerprints: repeats.Fingerprints = .{};
var windows: std.ArrayListUnmanaged(?repeats.Window) = .empty;

/// Room for `len` bytes; null when there is no memory.
export fn input_reserve(len: usize) ?[*]u8 {
    if (input.len < len) {
        allocator.free(input);
        input = &.{};
        const size = std.math.ceilPowerOfTwo(usize, len) catch return null;
        input = allocator.alloc(u8, size) catch return null;
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
    const batch = packed_batch.Batch.parse(input[0..len]) catch {
        return @intFromEnum(Status.bad_batch);
    };
    const window = &windows.items[handle].?;
    var records = batch.iterate();
    while (records.next()) |at| {
        const value = at.value orelse continue;
        const parsed = record.parse(value) catch continue;
        if (parsed != .message) continue;
        const print = fingerprints.of(parsed.message.device, parsed.message.id);
        _ = window.seen(allocator, print) catch return @intFromEnum(Status.out_of_memory);
    }
    return @intCast(window.position);
}

/// Rows of a batch's records from number `start` on, up to the first whose offset is `stop` or
/// more, or whose row goes to another table than `table` (-1: than the first row's). Input:
/// `name_len` bytes of the Dapp's name, `erased_len` bytes of erasures that were carried out before
/// (`Erased`), then the batch.
export fn encode(
    family: Family,
    handle: u32,
    name_len: usize,
    erased_len: usize,
    len: usize,
    partition: u32,
    start: u32,
    stop: i64,
    table: i32,
) Status {
    const batch_at = name_len + erased_len;
    const batch = packed_batch.Batch.parse(input[batch_at..][0..len]) catch return .bad_batch;
    var erased = Erased.init(allocator, input[name_len..batch_at]) catch return .out_of_memory;
    defer erased.deinit(allocator);
    report = std.mem.zeroes(Report);
    output.clear();
    var encoder = Encoder{
        .dapp = input[0..name_len],
        .partition = partition,
        .erased = &erased,
        .table = if (table < 0) null else @enumFromInt(table),
        .window = if (family == .messages) &windows.items[handle].? else null,
    };
    var records = batch.iterate();
    while (records.next()) |at| {
        if (at.index < start) continue;
        if (at.offset >= stop) break;
        encoder.one(family, at) catch |failure| switch (failure) {
            error.OtherTable => break,
            error.OutOfMemory => return .out_of_memory,
        };
        report.consumed += 1;
    }
    report.table = if (output.ends.items.len == 0) -1 else @intCast(@intFromEnum(encoder.table.?));
    report.rows = @intCast(output.ends.items.len);
    report.data = @intFromPtr(output.data.items.ptr);
    report.len = output.data.items.len;
    report.ends = @intFromPtr(output.ends.items.ptr);
    report.offsets = @intFromPtr(output.offsets.items.ptr);
    return .ok;
}

const Encoder = struct {
    dapp: []const u8,
    partition: u32,
    erased: *const Erased,
    table: ?rows.Table,
    window: ?*repeats.Window,

    const Error = std.mem.Allocator.Error || error{OtherTable};
    const no_id: [16]u8 = @splat(0);

    fn one(self: *Encoder, family: Family, at: packed_batch.Record) Error!void {
        if (family == .messages) return self.message(at);
        if (family == .state) return self.stateRecord(at);
        const parsed = record.parse(at.value orelse "") catch return self.reject(family, at);
        if (parsed != .output) return self.reject(family, at);
        const said = parsed.output;
        if (said.kind == .erasure) return self.erasure(at);
        switch (family) {
            .results => if (said.kind == .result) return self.result(at, said),
            .dead => if (said.kind == .dead_letter) return self.deadLetter(at, said),
            .claims => switch (said.kind) {
                .claim => if (said.b.len >= salt_bytes) return self.claim(at, said),
                .summary => if (said.b.len == summary_bytes) return self.summary(at, said),
                else => {},
            },
            .effects => if (said.kind == .effect) {
                // Other effects leave the node elsewhere (`streams/effects`).
                return if (std.mem.eql(u8, said.label, "metrics")) self.metrics(at, said);
            },
            .messages, .state => unreachable,
        }
        return self.reject(family, at);
    }

    /// Barriers, repeats and what execute makes a dead letter of give no row.
    fn message(self: *Encoder, at: packed_batch.Record) Error!void {
        const value = at.value orelse return;
        const parsed = record.parse(value) catch return;
        if (parsed == .raw or parsed == .message) try self.only(.messages); // before the window sees it
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
                const print = fingerprints.of(sent.device, sent.id);
                if (try self.window.?.seen(allocator, print)) {
                    report.repeats += 1;
                } else {
                    try self.messageRow(at, sent);
                }
            },
            .barrier => {},
            .output => |said| if (said.kind == .erasure) try self.erasure(at),
        }
    }

    fn messageRow(self: *Encoder, at: packed_batch.Record, sent: record.Message) Error!void {
        if (self.erased.has(sent.device, at.offset)) return;
        const room = sent.device.len + sent.label.len + sent.payload.len + 96;
        var row = try self.begin(.messages, room);
        row.text(sent.device);
        row.time(sent.time_ms);
        row.uuid(sent.id);
        row.text(sent.label);
        row.text(sent.payload);
        self.end(&row, at);
    }

    fn result(self: *Encoder, at: packed_batch.Record, said: record.Output) Error!void {
        if (self.erased.has(said.device, at.offset)) return;
        var row = try self.begin(.results, said.device.len + said.label.len + said.b.len + 128);
        row.text(said.device);
        row.time(said.time_ms);
        row.uuid(said.id);
        row.text(said.label);
        row.integer(u32, said.index);
        row.integer(u64, said.epoch);
        row.hexText(said.program);
        row.text(said.b);
        self.end(&row, at);
    }

    fn claim(self: *Encoder, at: packed_batch.Record, said: record.Output) Error!void {
        var row = try self.begin(
            .claims,
            said.device.len + said.label.len + said.a.len + said.b.len + 160,
        );
        row.integer(u64, said.epoch);
        row.integer(u32, said.index);
        row.text(said.a);
        row.text(said.b[salt_bytes..]);
        row.bytes(said.b[0..salt_bytes]);
        row.text(said.device);
        row.time(said.time_ms);
        row.uuid(said.id);
        row.text(said.label);
        row.hexText(said.program);
        self.end(&row, at);
    }

    /// The body is `SUMMARY_BODY` of `streams/records.py`: u32, three roots, five counts, and the
    /// program's whole hash, of which the table keeps what the header has.
    fn summary(self: *Encoder, at: packed_batch.Record, said: record.Output) Error!void {
        const body = said.b;
        var row = try self.begin(.summaries, 480);
        row.integer(u64, said.epoch);
        row.bytes(body[0..4]);
        row.hexText(said.program);
        for (0..3) |root| row.hexText(body[4 + root * 32 ..][0..32]);
        row.bytes(body[100..140]);
        row.time(said.time_ms);
        self.end(&row, at);
    }

    /// A row of a program's SQL table (`streams/execution/sql/rows.py`); what else a state topic
    /// holds gives no row here.
    fn stateRecord(self: *Encoder, at: packed_batch.Record) Error!void {
        const key = at.key orelse return;
        if (key.len == 0 or key[0] != 'q') return;
        const name_len = std.mem.indexOfScalar(u8, key[1..], 0) orelse return self.reject(.state, at);
        const name = key[1..][0..name_len];
        if (name.len == 0) return; // a sequence
        const number = key[1 + name_len + 1 ..];
        if (number.len != 8) return self.reject(.state, at);
        const body = at.value orelse "";
        var row = try self.begin(.sql_rows, name.len + body.len + 96);
        row.text(name);
        row.integer(i64, std.mem.readInt(i64, number[0..8], .big));
        row.integer(u8, @intFromBool(at.value == null));
        row.text(body);
        self.end(&row, at);
    }

    /// What a program submitted with `ws_submit_metrics`: JSON.
    fn metrics(self: *Encoder, at: packed_batch.Record, said: record.Output) Error!void {
        if (self.erased.has(said.device, at.offset)) return;
        var row = try self.begin(.customized_metrics, said.device.len + said.b.len + 96);
        row.text(said.device);
        row.time(said.time_ms);
        row.uuid(said.id);
        row.text(said.b);
        self.end(&row, at);
    }

    /// No row, but a step of its own: the record itself, for Python to carry out (`erasing.py`).
    fn erasure(self: *Encoder, at: packed_batch.Record) Error!void {
        const value = at.value.?;
        try self.only(.erasures);
        self.table = .erasures;
        var row = try output.reserve(allocator, value.len);
        row.bytes(value);
        output.commit(&row, at.offset);
    }

    fn deadLetter(self: *Encoder, at: packed_batch.Record, said: record.Output) Error!void {
        const key = at.key orelse ""; // the failed record's own; it may have named no device
        try self.deadLetterRow(.dead, at, said, said.label, said.a, key, said.b);
    }

    /// A record that should not be in its topic is kept, with its bytes, as a dead letter.
    fn reject(self: *Encoder, family: Family, at: packed_batch.Record) Error!void {
        const detail = switch (family) {
            .results => "not a result record, in the results topic",
            .claims => "not a claim or summary record, in the claims topic",
            .dead => "not a dead letter record, in the dead letters topic",
            .effects => "not an effect record, in the effects topic",
            .state => "not a row of a SQL table, under the key of one",
            .messages => unreachable,
        };
        const key = at.key orelse "";
        const value = at.value orelse "";
        try self.deadLetterRow(family, at, null, "malformed_record", detail, key, value);
        report.rejected += 1;
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
        if (self.erased.has(key, at.offset)) return;
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
        self.end(&row, at);
    }

    /// Every row begins with the Dapp and ends with where it came from.
    fn begin(self: *Encoder, table: rows.Table, room: usize) Error!rows.Row {
        try self.only(table);
        self.table = table;
        var row = try output.reserve(allocator, room + self.dapp.len);
        row.text(self.dapp);
        return row;
    }

    fn only(self: *const Encoder, table: rows.Table) Error!void {
        if (self.table) |chosen| {
            if (chosen != table) return error.OtherTable;
        }
    }

    fn end(self: *Encoder, row: *rows.Row, at: packed_batch.Record) void {
        row.integer(u32, self.partition);
        row.integer(i64, at.offset);
        row.time(@intCast(@max(at.timestamp_ms, 0)));
        output.commit(row, at.offset);
    }
};

const salt_bytes = 16;
const summary_bytes = 172;
