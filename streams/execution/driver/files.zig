//! Files of a program: intermediate results too large for keyed state. The blob lies in the node's
//! file store, under its SHA-256; what name it goes by is keyed state, under keys that programs
//! cannot reach.
const std = @import("std");
const codes = @import("codes.zig");
const crossing = @import("crossing.zig");
const driver = @import("driver.zig");
const guest = @import("guest.zig");
const outside = @import("outside.zig");

/// What the keys of files begin with; and the number of bytes that all have has the name "".
pub const prefix = "\x00w3b file\x00";

pub const name_bytes_max = 256;
const entry_bytes = 40; // SHA-256, size (u64)

pub fn isFile(key: []const u8) bool {
    return key.len >= prefix.len and key[0] == prefix[0] and std.mem.startsWith(u8, key, prefix);
}

/// The name of the file that a key stands for, if it does.
pub fn nameOf(key: []const u8) ?[]const u8 {
    return if (isFile(key)) key[prefix.len..] else null;
}

/// A key is about to be removed: if it is a file's, its bytes count no more.
pub fn forget(key: []const u8) void {
    const name = nameOf(key) orelse return;
    if (name.len == 0) return;
    const state = &driver.host.state;
    var counted: [8]u8 = undefined;
    std.mem.writeInt(u64, &counted, totalBytes() - sizeIn(state.get(key).?), .little);
    state.set(prefix, &counted) catch driver.outOfMemory();
}

pub fn filePut(name: i32, name_size: i32, address: i32, size: i32) callconv(.C) i32 {
    const host = &driver.host;
    var buffer: [prefix.len + name_bytes_max]u8 = undefined;
    const key = keyOf(&buffer, name, name_size) catch |problem| return codeOf(problem);
    if (!outside.isServed(.file_put)) {
        host.logError("this node has no file store");
        return codes.failed;
    }
    const blob = crossing.copyCounted(address, size) orelse return codes.from_vm_failed;
    const before = if (host.state.get(key)) |entry| sizeIn(entry) else 0;
    const total = totalBytes() - before + blob.len;
    if (total > host.config.files_bytes_max) {
        host.breach(.files_limit, "the program's files are at their ceiling");
    }
    if (host.state.bytes + key.len + prefix.len + 2 * entry_bytes > host.config.state_bytes_max) {
        host.breach(.state_limit, "keyed state is at its ceiling");
    }
    const answer = outside.ask(.file_put, &.{blob});
    if (answer.code != codes.ok) return answer.code;
    var entry: [entry_bytes]u8 = undefined;
    entry[0..32].* = answer.bytes[0..32].*;
    std.mem.writeInt(u64, entry[32..40], blob.len, .little);
    var counted: [8]u8 = undefined;
    std.mem.writeInt(u64, &counted, total, .little);
    host.chargeState(@intCast(key.len + prefix.len + entry.len + counted.len));
    host.state.set(key, &entry) catch driver.outOfMemory();
    host.state.set(prefix, &counted) catch driver.outOfMemory();
    return codes.ok;
}

pub fn fileGet(name: i32, name_size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    var buffer: [prefix.len + name_bytes_max]u8 = undefined;
    const key = keyOf(&buffer, name, name_size) catch |problem| return codeOf(problem);
    const entry = driver.host.stored(key) orelse return codes.resource_not_found;
    const answer = outside.ask(.file_get, &.{entry[0..32]});
    if (answer.code != codes.ok) return answer.code;
    return if (crossing.giveOut(answer.bytes, p_address, p_size)) codes.ok else codes.to_vm_failed;
}

fn totalBytes() u64 {
    const counted = driver.host.state.get(prefix) orelse return 0;
    return std.mem.readInt(u64, counted[0..8], .little);
}

fn sizeIn(entry: []const u8) u64 {
    return std.mem.readInt(u64, entry[32..40], .little);
}

const NameError = error{ Unreadable, NoName };

fn keyOf(buffer: []u8, address: i32, size: i32) NameError![]const u8 {
    if (!crossing.isInside(address, size)) return error.Unreadable;
    const length: u32 = @bitCast(size);
    if (length == 0 or length > name_bytes_max) {
        driver.host.logError("a file's name has 1 to 256 bytes");
        return error.NoName;
    }
    @memcpy(buffer[0..prefix.len], prefix);
    _ = guest.read(buffer[prefix.len..][0..length], address);
    return buffer[0 .. prefix.len + length];
}

fn codeOf(problem: NameError) i32 {
    return switch (problem) {
        error.Unreadable => codes.from_vm_failed,
        error.NoName => codes.param_illegal,
    };
}
