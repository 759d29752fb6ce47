//! What a record of `messages.<dapp>` is to the program: an event, a repeat, or nothing it can take.
const std = @import("std");
const record = @import("record");
const batches = @import("packed");
const driver = @import("driver.zig");
const events = @import("event.zig");

pub const Read = union(enum) {
    event,
    repeat,
    refused: struct { reason: events.Reason, text: []const u8 },
};

/// Read the record into the event at hand.
pub fn read(host: *driver.Driver, entry: batches.Record) Read {
    const event = &host.event;
    const value = entry.value orelse return refused(.no_value, "the record has no value");
    const parsed = record.parse(value) catch
        return refused(.malformed_record, "starts with the magic byte 0xB3 but is no message");
    switch (parsed) {
        .raw => |payload| {
            const key = entry.key orelse "";
            if (key.len == 0) return refused(.no_device, "a raw record's key must name its device");
            if (key.len > host.config.device_bytes_max) {
                return refused(.no_device, "a raw record's key is longer than a device's name may be");
            }
            if (!std.unicode.utf8ValidateSlice(key)) {
                return refused(.key_not_utf8, "a raw record's key must be UTF-8");
            }
            event.device = key;
            event.event_type = "DEFAULT";
            event.payload = payload;
        },
        .message => |message| {
            event.wants_answer = message.wants_answer;
            event.device = message.device;
            event.id = message.id.*;
            const print = driver.fingerprints.of(message.device, message.id);
            if (host.window.seen(driver.allocator, print) catch driver.outOfMemory()) {
                host.counts.repeats += 1;
                host.progress.repeats += 1;
                return .repeat;
            }
            event.event_type = message.label;
            event.payload = message.payload;
            event.time_ms = message.time_ms;
        },
        // run() stops before those that close an epoch.
        .barrier => return refused(.malformed_record, "a barrier that is far ahead of the open epoch"),
        .output => return refused(.malformed_record, "a record of this kind is no message"),
    }
    if (event.payload.len > host.config.payload_bytes_max) {
        const sizes = .{ event.payload.len, host.config.payload_bytes_max };
        const said = "the payload has {d} bytes; at most {d} are taken";
        const text = std.fmt.allocPrint(host.temporary(), said, sizes) catch driver.outOfMemory();
        return refused(.too_large, text);
    }
    return .event;
}

fn refused(reason: events.Reason, text: []const u8) Read {
    return .{ .refused = .{ .reason = reason, .text = text } };
}
