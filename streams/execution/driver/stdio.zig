//! What a program writes to its standard output and error. W3bStream's own node gives it neither:
//! it is taken, and goes nowhere. But what was printed last may say why the event failed.
const std = @import("std");
const driver = @import("driver.zig");

/// Lines that are not over yet.
var open = [_]std.ArrayListUnmanaged(u8){ .{}, .{} };

/// Bytes for descriptor 1 or 2.
pub fn write(descriptor: u2, bytes: []const u8) void {
    const line = &open[descriptor - 1];
    var rest = bytes;
    while (std.mem.indexOfScalar(u8, rest, '\n')) |end| {
        append(line, rest[0..end]);
        endLine(descriptor);
        rest = rest[end + 1 ..];
    }
    append(line, rest);
}

/// A handler has ended: so have its lines.
pub fn flush() void {
    for ([_]u2{ 1, 2 }) |descriptor| {
        if (open[descriptor - 1].items.len > 0) endLine(descriptor);
    }
}

fn append(line: *std.ArrayListUnmanaged(u8), bytes: []const u8) void {
    const room = driver.host.config.log_text_bytes_max -| line.items.len;
    line.appendSlice(driver.allocator, bytes[0..@min(bytes.len, room)]) catch driver.outOfMemory();
}

fn endLine(descriptor: u2) void {
    const line = &open[descriptor - 1];
    defer line.clearRetainingCapacity();
    // TinyGo says on its standard output why it panics; an error that was logged says it better.
    if (descriptor == 2 or driver.host.event.last_error.items.len == 0) driver.host.explain(line.items);
}
