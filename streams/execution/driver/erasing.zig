//! Erasures: records of the log, as what they are about is decided by the log's order. What the named
//! devices have in keyed state goes here, and the erasure is written on to the outputs, where it lies
//! behind all that came of earlier messages, whoever runs the log and however often.
const batches = @import("packed");
const record = @import("record");
const driver = @import("driver.zig");
const files = @import("files.zig");
const outputs = @import("outputs.zig");
const owned_keys = @import("owned_keys.zig");

const key_fuel = 100; // of looking at a key or row, for where a batch is cut
const said_in = [_]outputs.Topic{ .results, .claims, .effects, .dead };

/// The erasure that an entry of the batch is, if it is one.
pub fn of(entry: batches.Record) ?record.Output {
    const value = entry.value orelse return null;
    if (value.len < record.header_bytes or value[0] != record.magic) return null;
    if (value[2] != @intFromEnum(record.Kind.erasure)) return null; // every message comes by here
    const parsed = record.parse(value) catch return null;
    return parsed.output;
}

/// Carry it out; whether rows of SQL tables went, of which Python has to hear.
pub fn apply(host: *driver.Driver, erasure: record.Output, entry: batches.Record) bool {
    var devices = owned_keys.Devices.init(driver.allocator, erasure.b) catch driver.outOfMemory();
    defer devices.deinit(driver.allocator);
    const rows = eraseRows(host, &devices);
    const gone = eraseKeys(host, &devices) + rows;
    host.fuel_spent += @intCast(key_fuel * (host.state.cells.count() + host.rows.cells.count()));
    if (host.config.roots) host.inputs.push(&host.progress.inputs, host.inputs.leaf(&host.at));
    const head = outputs.Head{
        .kind = .erasure,
        .label = "",
        .device = "",
        .time_ms = erasure.time_ms,
        .id = erasure.id.*,
        .epoch = host.progress.epoch,
        .program = host.config.program[0..8].*,
        .index = gone,
    };
    for (said_in) |topic| {
        host.stream(topic).addOutput(driver.allocator, "", head, "", &.{erasure.b}) catch
            driver.outOfMemory();
        host.bytes_made += erasure.b.len + outputs.record_bytes;
    }
    host.next(entry);
    return rows > 0;
}

/// How many keys went; with their batch they come back. A key that is there keeps its cell.
fn eraseKeys(host: *driver.Driver, devices: *const owned_keys.Devices) u32 {
    const state = &host.state;
    const mark = state.eventMark();
    var gone: u32 = 0;
    for (0..state.cells.count()) |index| {
        if (state.cells.values()[index].value == null) continue;
        const key = state.cells.keys()[index];
        if (!devices.own(files.nameOf(key) orelse key)) continue;
        files.forget(key);
        state.set(key, null) catch driver.outOfMemory();
        gone += 1;
    }
    state.keepEvent(mark);
    return gone;
}

fn eraseRows(host: *driver.Driver, devices: *const owned_keys.Devices) u32 {
    const mark = host.rows.eventMark();
    var gone: u32 = 0;
    for (0..host.rows.cells.count()) |index| {
        const row = host.rows.cells.values()[index].value orelse continue;
        if (!devices.ownRow(row)) continue;
        host.rows.set(host.rows.cells.keys()[index], null) catch driver.outOfMemory();
        gone += 1;
    }
    host.rows.keepEvent(mark);
    return gone;
}
