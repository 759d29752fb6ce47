//! The header of a record on Kafka's topics, parsed: `streams/records.py`, byte for byte.
//!
//! Execute's driver and the sink's encoder both read records here, so that what one of them
//! takes for a message the other does too. Nothing is copied: fields are slices of the value.

const std = @import("std");

pub const magic: u8 = 0xB3;
pub const version: u8 = 1;
pub const header_bytes = 32;
pub const output_bytes = 24; // what execute's records have between header and label

pub const Kind = enum(u8) {
    message = 1,
    barrier = 2,
    result = 3,
    claim = 4,
    effect = 5,
    dead_letter = 6,
    log = 7,
    summary = 8,
    answer = 9,
    erasure = 10,
};

/// A message whose sender waits for what becomes of it.
pub const flag_answer: u8 = 1;

/// The 32 bytes that open every kind.
pub const Header = struct {
    kind: Kind,
    label_len: u8,
    device_len: u16,
    flags: u8,
    time_ms: u64,
    id: *const [16]u8,

    /// The epoch that a barrier ends: the first 8 bytes of its id.
    pub fn epoch(self: Header) u64 {
        return std.mem.readInt(u64, self.id[0..8], .little);
    }
};

/// A device's message, as an endpoint wrote it.
pub const Message = struct {
    label: []const u8, // the event type
    device: []const u8,
    id: *const [16]u8,
    time_ms: u64,
    payload: []const u8,
    wants_answer: bool = false,
};

/// The end of an epoch in one partition; `deployment` names what runs from there on, where the
/// barrier says it.
pub const Barrier = struct { epoch: u64, time_ms: u64, deployment: ?*const [32]u8 };

/// What execute wrote: a result, claim, effect, dead letter, log, summary or answer; or an erasure.
pub const Output = struct {
    kind: Kind,
    label: []const u8,
    device: []const u8,
    id: *const [16]u8,
    time_ms: u64,
    epoch: u64,
    program: *const [8]u8,
    index: u32,
    a: []const u8,
    b: []const u8,
};

pub const Record = union(enum) {
    /// A value without the magic byte: a message from a plain producer, without an id.
    raw: []const u8,
    message: Message,
    barrier: Barrier,
    output: Output,
};

pub const Error = error{Malformed};

/// The header of a value that starts with the magic byte.
pub fn header(value: []const u8) Error!Header {
    if (value.len < header_bytes or value[0] != magic or value[1] != version) {
        return error.Malformed;
    }
    return .{
        .kind = std.meta.intToEnum(Kind, value[2]) catch return error.Malformed,
        .label_len = value[3],
        .device_len = std.mem.readInt(u16, value[4..6], .little),
        .flags = value[6],
        .time_ms = std.mem.readInt(u64, value[8..16], .little),
        .id = value[16..32],
    };
}

/// A record from its value. Labels, and the devices of messages, have to be UTF-8.
pub fn parse(value: []const u8) Error!Record {
    if (value.len == 0 or value[0] != magic) return .{ .raw = value };
    const head = try header(value);
    return switch (head.kind) {
        .message => .{ .message = try parseMessage(head, value[header_bytes..]) },
        .barrier => .{ .barrier = try parseBarrier(head, value[header_bytes..]) },
        else => .{ .output = try parseOutput(head, value[header_bytes..]) },
    };
}

fn parseMessage(head: Header, body: []const u8) Error!Message {
    const device_at: usize = head.label_len;
    const payload_at = device_at + head.device_len;
    if (payload_at > body.len) return error.Malformed;
    if (!isAscii(body[0..payload_at])) { // nearly all are, and that is quickly seen
        if (!std.unicode.utf8ValidateSlice(body[0..device_at])) return error.Malformed;
        if (!std.unicode.utf8ValidateSlice(body[device_at..payload_at])) return error.Malformed;
    }
    return .{
        .label = body[0..device_at],
        .device = body[device_at..payload_at],
        .id = head.id,
        .time_ms = head.time_ms,
        .payload = body[payload_at..],
        .wants_answer = head.flags & flag_answer != 0,
    };
}

/// Sixteen bytes at a time, the last sixteen overlapping those before them.
fn isAscii(bytes: []const u8) bool {
    const Chunk = @Vector(16, u8);
    var seen: u8 = 0;
    if (bytes.len < 16) {
        for (bytes) |byte| seen |= byte;
        return seen < 0x80;
    }
    var all: Chunk = bytes[bytes.len - 16 ..][0..16].*;
    var at: usize = 0;
    while (at + 16 < bytes.len) : (at += 16) all |= @as(Chunk, bytes[at..][0..16].*);
    return @reduce(.Or, all) < 0x80;
}

fn parseBarrier(head: Header, body: []const u8) Error!Barrier {
    if (body.len != 0 and body.len != 32) return error.Malformed;
    return .{
        .epoch = head.epoch(),
        .time_ms = head.time_ms,
        .deployment = if (body.len == 32) body[0..32] else null,
    };
}

fn parseOutput(head: Header, body: []const u8) Error!Output {
    if (body.len < output_bytes) return error.Malformed;
    const rest = body[output_bytes..];
    const a_len: usize = std.mem.readInt(u32, body[20..24], .little);
    const device_at: usize = head.label_len;
    const a_at = device_at + head.device_len;
    if (a_at > rest.len or a_len > rest.len - a_at) return error.Malformed;
    if (!std.unicode.utf8ValidateSlice(rest[0..device_at])) return error.Malformed;
    return .{
        .kind = head.kind,
        .label = rest[0..device_at],
        .device = rest[device_at..a_at],
        .id = head.id,
        .time_ms = head.time_ms,
        .epoch = std.mem.readInt(u64, body[0..8], .little),
        .program = body[8..16],
        .index = std.mem.readInt(u32, body[16..20], .little),
        .a = rest[a_at..][0..a_len],
        .b = rest[a_at + a_len ..],
    };
}

// A message of event type "TRIP" from "did:x" at 0x0102, id 00..0f, payload "{}".
const sample_message = [_]u8{ magic, version, 1, 4, 5, 0, 0, 0, 0x02, 0x01, 0, 0, 0, 0, 0, 0 } ++
    [_]u8{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } ++ "TRIPdid:x{}".*;

test "a message's fields" {
    const message = (try parse(&sample_message)).message;
    try std.testing.expectEqualStrings("TRIP", message.label);
    try std.testing.expectEqualStrings("did:x", message.device);
    try std.testing.expectEqualStrings("{}", message.payload);
    try std.testing.expectEqual(0x0102, message.time_ms);
    try std.testing.expectEqual(15, message.id[15]);
}

test "a message cut anywhere inside its header, label or device is malformed" {
    for (1..sample_message.len - 2) |len| {
        try std.testing.expectError(error.Malformed, parse(sample_message[0..len]));
    }
    const empty_payload = (try parse(sample_message[0 .. sample_message.len - 2])).message;
    try std.testing.expectEqual(0, empty_payload.payload.len);
}

test "unknown versions and kinds are malformed" {
    inline for (.{ .{ 1, 2 }, .{ 2, 0 }, .{ 2, 11 } }) |change| {
        var value = sample_message;
        value[change[0]] = change[1];
        try std.testing.expectError(error.Malformed, parse(&value));
    }
}

test "a device that is not UTF-8 is malformed" {
    var value = sample_message;
    value[header_bytes + 4] = 0xFF;
    try std.testing.expectError(error.Malformed, parse(&value));
}

test "a label or device is UTF-8 wherever its bytes lie" {
    const head = sample_message[0..header_bytes].*;
    for ([_]u8{ 0, 1, 15, 16, 17, 40 }) |label_len| {
        for ([_]u8{ 0, 1, 15, 16, 33 }) |device_len| {
            var value = head ++ [_]u8{'a'} ** 80;
            value[3] = label_len;
            value[4] = device_len;
            const end = header_bytes + @as(usize, label_len) + device_len;
            for (header_bytes..end + 2) |at| {
                value[at] = 0xFF;
                try std.testing.expectEqual(at >= end, if (parse(&value)) |_| true else |_| false);
                value[at] = 'a';
            }
            // A character may not begin in the label and end in the device.
            if (label_len == 0 or device_len == 0) continue;
            const seam = header_bytes + @as(usize, label_len);
            value[seam - 1] = 0xC3;
            value[seam] = 0xA9;
            try std.testing.expectError(error.Malformed, parse(&value));
        }
    }
}

test "a value without the magic byte is raw, and so is an empty one" {
    try std.testing.expectEqualStrings("{\"a\":1}", (try parse("{\"a\":1}")).raw);
    try std.testing.expectEqual(0, (try parse("")).raw.len);
}

test "a barrier's epoch" {
    var value = sample_message[0..header_bytes].*;
    value[2] = @intFromEnum(Kind.barrier);
    value[3] = 0;
    value[4] = 0;
    const barrier = (try parse(&value)).barrier;
    try std.testing.expectEqual(0x0706050403020100, barrier.epoch);
    try std.testing.expectEqual(0x0102, barrier.time_ms);
    try std.testing.expectEqual(null, barrier.deployment);
}

test "a barrier's deployment, and a body that is none" {
    var value = sample_message[0..header_bytes].* ++ [_]u8{7} ** 32;
    value[2] = @intFromEnum(Kind.barrier);
    value[3] = 0;
    value[4] = 0;
    try std.testing.expectEqual(7, (try parse(&value)).barrier.deployment.?[31]);
    try std.testing.expectError(error.Malformed, parse(value[0 .. value.len - 1]));
}

test "an output's fields, and a body part that reaches past the end" {
    var value = sample_message[0..header_bytes].* ++
        [_]u8{ 7, 0, 0, 0, 0, 0, 0, 0 } ++ "\x01\x02\x03\x04\x05\x06\x07\x08".* ++
        [_]u8{ 9, 0, 0, 0, 3, 0, 0, 0 } ++ "TRIPdid:xsubrest".*;
    value[2] = @intFromEnum(Kind.claim);
    const output = (try parse(&value)).output;
    try std.testing.expectEqual(Kind.claim, output.kind);
    try std.testing.expectEqual(7, output.epoch);
    try std.testing.expectEqual(9, output.index);
    try std.testing.expectEqual(8, output.program[7]);
    try std.testing.expectEqualStrings("did:x", output.device);
    try std.testing.expectEqualStrings("sub", output.a);
    try std.testing.expectEqualStrings("rest", output.b);
    value[header_bytes + 20] = 8;
    try std.testing.expectError(error.Malformed, parse(&value));
    value[header_bytes + 23] = 0xFF;
    try std.testing.expectError(error.Malformed, parse(&value));
}
