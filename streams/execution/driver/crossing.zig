//! Bytes between the program's memory and the host's, as W3bStream's functions pass them.
const std = @import("std");
const driver = @import("driver.zig");
const go_text = @import("go_text.zig");
const guest = @import("guest.zig");

/// Said of addresses and sizes that do not lie in the program's memory.
pub const overflow = "overflow";

/// W3bStream's out pair: bytes that the guest's own `alloc` makes room for. False: said why.
pub fn giveOut(bytes: []const u8, p_address: i32, p_size: i32) bool {
    driver.host.spend(bytes.len);
    if (!driver.host.config.has_alloc) {
        driver.host.logError("alloc is nil");
        return false;
    }
    switch (guest.module.give(bytes.ptr, @intCast(bytes.len), p_address, p_size)) {
        .done => return true,
        .no_room => driver.host.logError("fail to copy data"),
        .bad_pointers => driver.host.logError(overflow),
    }
    return false;
}

/// A copy that counts against the event's output and lives as long as the event (which may trap
/// anywhere, so nobody could be sure to free it); null, and said why, when it lies outside.
pub fn copyCounted(address: i32, size: i32) ?[]u8 {
    if (!isInside(address, size)) return null;
    const length: u32 = @bitCast(size);
    driver.host.spend(length);
    driver.host.charge(length);
    return copy(driver.host.temporary(), address, length);
}

/// A text's copy, for the caller to free, its end cut off beyond what a log keeps.
pub fn copyText(address: i32, size: i32) ?[]u8 {
    if (!guest.has(address, size)) return null;
    return copy(driver.allocator, address, @min(@as(u32, @bitCast(size)), driver.host.config.log_text_bytes_max));
}

/// Whether the program's memory has these bytes; if not, said so.
pub fn isInside(address: i32, size: i32) bool {
    if (guest.has(address, size)) return true;
    driver.host.logError(overflow);
    return false;
}

/// An AssemblyScript string: its length in bytes lies 4 before it. False: `out` says why not.
pub fn appendUtf16(out: *go_text.Text, address: i32) bool {
    const gpa = driver.allocator;
    if (address < 4) {
        out.clearRetainingCapacity();
        out.writer(gpa).print("the pointer address {d} is invalid", .{address}) catch driver.outOfMemory();
        return false;
    }
    const size = guest.readU32(address - 4);
    if (size == null or !guest.has(address, @bitCast(size.?))) {
        out.clearRetainingCapacity();
        out.appendSlice(gpa, overflow) catch driver.outOfMemory();
        return false;
    }
    const units = copy(gpa, address, @min(size.?, 2 * driver.host.config.log_text_bytes_max));
    defer gpa.free(units);
    go_text.utf16(out, gpa, units) catch driver.outOfMemory();
    return true;
}

fn copy(allocator: std.mem.Allocator, address: i32, size: u32) []u8 {
    const bytes = allocator.alloc(u8, size) catch driver.outOfMemory();
    _ = guest.read(bytes, address);
    return bytes;
}
