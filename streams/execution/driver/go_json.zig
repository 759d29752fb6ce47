//! JSON objects that programs give, read as Go's encoding/json does: names of fields in any case,
//! the last of several counts.
const std = @import("std");
const driver = @import("driver.zig");

const Value = std.json.Value;
const Allocator = std.mem.Allocator;

/// An object; null when the text is none.
pub fn parse(arena: Allocator, text: []const u8) ?std.json.ObjectMap {
    const options = std.json.ParseOptions{
        .duplicate_field_behavior = .use_last,
        .parse_numbers = false, // keeps them as they are written
    };
    const value = std.json.parseFromSliceLeaky(Value, arena, text, options) catch |problem| switch (problem) {
        error.OutOfMemory => driver.outOfMemory(),
        else => return null,
    };
    return if (value == .object) value.object else null;
}

/// The value of a field, whatever the case of its name; null's is none.
pub fn field(object: std.json.ObjectMap, name: []const u8) ?Value {
    var found: ?Value = null;
    var fields = object.iterator();
    while (fields.next()) |one| {
        if (!std.ascii.eqlIgnoreCase(one.key_ptr.*, name)) continue;
        found = if (one.value_ptr.* == .null) found else one.value_ptr.*;
    }
    return found;
}

/// A field's text, or its number as it is written, as gjson's String() answers it; null: none.
pub fn textOf(object: std.json.ObjectMap, name: []const u8) ?[]const u8 {
    const value = object.get(name) orelse return null;
    return switch (value) {
        .null => null,
        .string, .number_string => |text| text,
        .bool => |is_true| if (is_true) "true" else "false",
        // No field that is read as a text may be one; and writing it out would recurse as deep as it is.
        else => "{}",
    };
}
