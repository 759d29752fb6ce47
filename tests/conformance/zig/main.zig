//! A program in Zig, as its compiler makes them: a stack of a mebibyte, and an allocator that grows
//! the memory, here with every event.
const std = @import("std");

extern "env" fn ws_get_data(rid: i32, at: *[*]const u8, size: *u32) i32;
extern "env" fn ws_set_db(key: [*]const u8, key_size: u32, value: [*]const u8, size: u32) i32;
extern "env" fn ws_log(level: i32, at: [*]const u8, size: u32) i32;
extern "w3b" fn result(at: [*]const u8, size: u32) i32;
extern "w3b" fn device(at: *[*]const u8, size: *u32) i32;

const allocator = std.heap.wasm_allocator;

export fn alloc(size: u32) ?[*]u8 {
    const bytes = allocator.alloc(u8, @max(size, 1)) catch return null;
    return bytes.ptr;
}

const Reading = struct { celsius: f64 };

export fn start(rid: i32) i32 {
    return handle(rid) catch |problem| {
        const name = @errorName(problem);
        _ = ws_log(2, name.ptr, name.len);
        return -1;
    };
}

fn handle(rid: i32) !i32 {
    const payload = bytesOf(ws_get_data, .{rid}) orelse return error.NoPayload;
    const parsed = try std.json.parseFromSlice(Reading, allocator, payload, .{});
    const fahrenheit = parsed.value.celsius * 9 / 5 + 32;
    const row = try std.fmt.allocPrint(allocator, "{{\"fahrenheit\":{d:.1}}}", .{fahrenheit});
    const who = bytesOf(device, .{}) orelse return error.NoDevice;
    if (ws_set_db(who.ptr, who.len, row.ptr, row.len) != 0) return error.NotKept;
    return result(row.ptr, row.len);
}

fn bytesOf(call: anytype, arguments: anytype) ?[]const u8 {
    var at: [*]const u8 = undefined;
    var size: u32 = 0;
    return if (@call(.auto, call, arguments ++ .{ &at, &size }) == 0) at[0..size] else null;
}
