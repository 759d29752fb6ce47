//! Values as text, as W3bStream's own node, which is written in Go, puts them into logs and
//! answers: strconv.Quote, fmt.Sprint of a float64, encoding/json's strings.
const std = @import("std");
const isPrintable = @import("printable.zig").isPrintable;

pub const Text = std.ArrayListUnmanaged(u8);
const Allocator = std.mem.Allocator;
const Error = Allocator.Error;

const replacement = "\u{FFFD}";

/// strconv.Quote: what is not printable is escaped, bytes that are no UTF-8 as \x.
pub fn quote(out: *Text, gpa: Allocator, bytes: []const u8) Error!void {
    try out.append(gpa, '"');
    var points = Points{ .bytes = bytes };
    while (points.next()) |one| {
        const point = one.point orelse {
            try out.writer(gpa).print("\\x{x:0>2}", .{one.bytes[0]});
            continue;
        };
        if (point == '"' or point == '\\') {
            try out.appendSlice(gpa, &.{ '\\', @intCast(point) });
        } else if (isPrintable(point)) {
            try out.appendSlice(gpa, one.bytes);
        } else if (shortEscape(point)) |letter| {
            try out.appendSlice(gpa, &.{ '\\', letter });
        } else if (point < ' ' or point == 0x7f) {
            try out.writer(gpa).print("\\x{x:0>2}", .{point});
        } else if (point < 0x10000) {
            try out.writer(gpa).print("\\u{x:0>4}", .{point});
        } else {
            try out.writer(gpa).print("\\U{x:0>8}", .{point});
        }
    }
    try out.append(gpa, '"');
}

fn shortEscape(point: u21) ?u8 {
    return switch (point) {
        0x07 => 'a',
        0x08 => 'b',
        0x0c => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        0x0b => 'v',
        else => null,
    };
}

/// %v of a float64: the shortest digits that come back as the same number, with an exponent
/// below 1e-04 and from 1e+06 on.
pub fn float(out: *Text, gpa: Allocator, value: f64) Error!void {
    if (std.math.isNan(value)) return out.appendSlice(gpa, "NaN");
    if (std.math.isInf(value)) return out.appendSlice(gpa, if (value < 0) "-Inf" else "+Inf");
    var buffer: [64]u8 = undefined;
    const shortest = std.fmt.formatFloat(&buffer, value, .{ .mode = .scientific }) catch unreachable;
    const e = std.mem.indexOfScalar(u8, shortest, 'e').?;
    const exponent = std.fmt.parseInt(i32, shortest[e + 1 ..], 10) catch unreachable;
    if (exponent < -4 or exponent >= 6) {
        try out.appendSlice(gpa, shortest[0..e]);
        const sign: u8 = if (exponent < 0) '-' else '+';
        return out.writer(gpa).print("e{c}{d:0>2}", .{ sign, @abs(exponent) });
    }
    const decimal = std.fmt.formatFloat(&buffer, value, .{ .mode = .decimal }) catch unreachable;
    try out.appendSlice(gpa, decimal);
}

/// A string of JSON as encoding/json writes it, which escapes what HTML would read as markup.
pub fn jsonString(out: *Text, gpa: Allocator, bytes: []const u8) Error!void {
    try out.append(gpa, '"');
    var points = Points{ .bytes = bytes };
    while (points.next()) |one| {
        const point = one.point orelse {
            try out.appendSlice(gpa, "\\ufffd");
            continue;
        };
        switch (point) {
            '"', '\\' => try out.appendSlice(gpa, &.{ '\\', @intCast(point) }),
            0x08, 0x0c, '\n', '\r', '\t' => try out.appendSlice(gpa, &.{ '\\', shortEscape(point).? }),
            '<', '>', '&', 0x2028, 0x2029 => try out.writer(gpa).print("\\u{x:0>4}", .{point}),
            else => if (point < ' ')
                try out.writer(gpa).print("\\u{x:0>4}", .{point})
            else
                try out.appendSlice(gpa, one.bytes),
        }
    }
    try out.append(gpa, '"');
}

/// UTF-16LE to UTF-8; what is half a pair, and an odd byte at the end, become U+FFFD.
pub fn utf16(out: *Text, gpa: Allocator, bytes: []const u8) Error!void {
    var at: usize = 0;
    while (at + 1 < bytes.len) {
        var point: u21 = std.mem.readInt(u16, bytes[at..][0..2], .little);
        at += 2;
        if (point >= 0xd800 and point < 0xe000 and at + 1 < bytes.len) {
            const second: u21 = std.mem.readInt(u16, bytes[at..][0..2], .little);
            if (second >= 0xdc00 and second < 0xe000) {
                at += 2;
                if (point < 0xdc00) point = 0x10000 + ((point - 0xd800) << 10) + (second - 0xdc00);
            }
        }
        var utf8: [4]u8 = undefined;
        const n = std.unicode.utf8Encode(point, &utf8) catch {
            try out.appendSlice(gpa, replacement);
            continue;
        };
        try out.appendSlice(gpa, utf8[0..n]);
    }
    if (at < bytes.len) try out.appendSlice(gpa, replacement);
}

/// Code points with their bytes; a byte that begins none is a point of null.
const Points = struct {
    bytes: []const u8,

    const One = struct { point: ?u21, bytes: []const u8 };

    fn next(self: *Points) ?One {
        if (self.bytes.len == 0) return null;
        const point = decoded(self.bytes);
        const size = if (point) |valid| std.unicode.utf8CodepointSequenceLength(valid) catch unreachable else 1;
        defer self.bytes = self.bytes[size..];
        return .{ .point = point, .bytes = self.bytes[0..size] };
    }

    fn decoded(bytes: []const u8) ?u21 {
        const size = std.unicode.utf8ByteSequenceLength(bytes[0]) catch return null;
        if (size > bytes.len) return null;
        return std.unicode.utf8Decode(bytes[0..size]) catch null;
    }
};
