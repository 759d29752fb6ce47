//! Whether a text is JSON: what a program gives as a result is looked at, never parsed.
//!
//! The library's scanner decides; ordinary texts (nested at most 64 deep, without \u) are
//! recognised about twice as fast, and everything else is left to it.
const std = @import("std");

/// RFC 8259, in UTF-8, with no unpaired surrogates.
pub fn isValid(allocator: std.mem.Allocator, text: []const u8) std.mem.Allocator.Error!bool {
    if (!std.unicode.utf8ValidateSlice(text)) return false;
    return isOrdinary(text) or try std.json.validate(allocator, text);
}

const depth_max = 64;

/// True: JSON, if it is UTF-8. False: not looked into, or not JSON.
fn isOrdinary(text: []const u8) bool {
    var at: usize = 0;
    var depth: u7 = 0;
    var objects: u64 = 0; // of the open brackets, innermost lowest: 1 for an object
    value: while (true) {
        at = skipSpace(text, at);
        if (at == text.len) return false;
        switch (text[at]) {
            '{', '[' => |bracket| {
                if (depth == depth_max) return false;
                objects = objects << 1 | @intFromBool(bracket == '{');
                depth += 1;
                at = skipSpace(text, at + 1);
                if (at == text.len) return false;
                if (text[at] != bracket + 2) { // not empty: ASCII has '}' after '{', ']' after '['
                    if (bracket == '{') at = skipName(text, at) orelse return false;
                    continue :value;
                }
                at += 1;
                depth -= 1;
                objects >>= 1;
            },
            '"' => at = skipString(text, at) orelse return false,
            '-', '0'...'9' => at = skipNumber(text, at) orelse return false,
            't' => at = skipWord(text, at, "true") orelse return false,
            'f' => at = skipWord(text, at, "false") orelse return false,
            'n' => at = skipWord(text, at, "null") orelse return false,
            else => return false,
        }
        // After a value: the next of its array or object, or the end of that.
        while (true) {
            at = skipSpace(text, at);
            if (depth == 0) return at == text.len;
            if (at == text.len) return false;
            const in_object = objects & 1 == 1;
            if (text[at] == ',') {
                at += 1;
                if (in_object) at = skipName(text, skipSpace(text, at)) orelse return false;
                continue :value;
            }
            if (text[at] != @as(u8, if (in_object) '}' else ']')) return false;
            at += 1;
            depth -= 1;
            objects >>= 1;
        }
    }
}

inline fn skipSpace(text: []const u8, from: usize) usize {
    var at = from;
    while (at < text.len) : (at += 1) {
        switch (text[at]) {
            ' ', '\t', '\r', '\n' => {},
            else => break,
        }
    }
    return at;
}

fn skipName(text: []const u8, from: usize) ?usize {
    if (from == text.len or text[from] != '"') return null;
    const at = skipSpace(text, skipString(text, from) orelse return null);
    return if (at < text.len and text[at] == ':') at + 1 else null;
}

inline fn skipString(text: []const u8, from: usize) ?usize {
    var at = from + 1;
    while (at < text.len) : (at += 1) {
        switch (text[at]) {
            '"' => return at + 1,
            '\\' => {
                at += 1;
                if (at == text.len) return null;
                switch (text[at]) {
                    '"', '\\', '/', 'b', 'f', 'n', 'r', 't' => {},
                    else => return null,
                }
            },
            0...0x1F => return null,
            else => {},
        }
    }
    return null;
}

inline fn skipNumber(text: []const u8, from: usize) ?usize {
    var at = from;
    if (text[at] == '-') at += 1;
    const whole = at;
    at = skipDigits(text, at);
    if (at == whole or (text[whole] == '0' and at > whole + 1)) return null;
    if (at < text.len and text[at] == '.') {
        const fraction = at + 1;
        at = skipDigits(text, fraction);
        if (at == fraction) return null;
    }
    if (at < text.len and text[at] | 0x20 == 'e') {
        at += 1;
        if (at < text.len and (text[at] == '+' or text[at] == '-')) at += 1;
        const exponent = at;
        at = skipDigits(text, exponent);
        if (at == exponent) return null;
    }
    return at;
}

inline fn skipDigits(text: []const u8, from: usize) usize {
    var at = from;
    while (at < text.len and text[at] -% '0' < 10) at += 1;
    return at;
}

fn skipWord(text: []const u8, from: usize, word: []const u8) ?usize {
    return if (std.mem.startsWith(u8, text[from..], word)) from + word.len else null;
}

test "what is recognised is JSON, and ordinary JSON is recognised" {
    const ordinary = [_][]const u8{
        "{}",  "[]",   "0",  "-0",     "-1.5e+9", "1E2", "\"\"",
        "true", "null", " [ 1 , 2 ] ", "{\"a\":[{\"b\":{}},[]],\"c\" : false}\n",
        "\"a\\\"\\\\\\n\"", "[1,\"\xC3\xA9\"]", "[" ** depth_max ++ "]" ** depth_max,
    };
    for (ordinary) |text| try std.testing.expect(isOrdinary(text));
    const not = [_][]const u8{
        "",        " ",    "{",        "}",      "[1,]",     "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "01",      "-",    "1.",       ".5",     "1e",       "+1",      "tru",      "nulls",
        "[1 2]",   "[1}",  "{\"a\":1]", "\"\x01\"", "\"\\x\"", "\"",      "\"\\",     "[1],",
        "{1:2}",   "{,}",  "[,1]",     "\"\\u12\"", "\"\\ud800\"", "1 2",  "\xEF\xBB\xBF1",
    };
    for (not) |text| {
        try std.testing.expect(!isOrdinary(text));
        try std.testing.expect(!try isValid(std.testing.allocator, text));
    }
    const odd = [_][]const u8{ "\"\\u00e9\"", "\"\\ud83d\\ude00\"", "[" ** 65 ++ "]" ** 65 };
    for (odd) |text| {
        try std.testing.expect(!isOrdinary(text));
        try std.testing.expect(try isValid(std.testing.allocator, text));
    }
    try std.testing.expect(!try isValid(std.testing.allocator, "\"\xFF\""));
}

test "any text is taken or refused as the library does" {
    var random = std.Random.DefaultPrng.init(4);
    const pieces = [_][]const u8{
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "1", "0", "-", ".5", "e1", "true", "null",
        " ", "\\", "\\u0041", "\n", "\"a\":1", "\xC3\xA9", "\xC3",
    };
    var text = std.ArrayListUnmanaged(u8){};
    defer text.deinit(std.testing.allocator);
    for (0..20_000) |_| {
        text.clearRetainingCapacity();
        for (0..random.random().uintAtMost(usize, 9)) |_| {
            const piece = pieces[random.random().uintLessThan(usize, pieces.len)];
            try text.appendSlice(std.testing.allocator, piece);
        }
        const wanted = std.unicode.utf8ValidateSlice(text.items) and
            try std.json.validate(std.testing.allocator, text.items);
        try std.testing.expectEqual(wanted, try isValid(std.testing.allocator, text.items));
    }
}
