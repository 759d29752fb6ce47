//! The program's side, as the driver sees it: functions of the shim that is generated for each
//! program (`streams/execution/linking.py`), and its memory behind bounds checks.
//!
//! Addresses and lengths come from the program as i32 and mean u32.

pub const module = struct {
    pub extern "program" fn call(handler: i32, rid: i32) i32;
    /// Memory and globals as they were after instantiation; fuel for one event.
    pub extern "program" fn restore() void;
    pub extern "program" fn refuel(fuel: i64) void;
    pub extern "program" fn fuel_left() i64;
    pub extern "program" fn spend(fuel: u32) void;
    pub extern "program" fn pages() i32;
    /// Room by the program's `alloc` for these bytes; see `Given`.
    pub extern "program" fn give(from: [*]const u8, size: u32, p_address: i32, p_size: i32) Given;
    // False: outside of the program's memory, and nothing was done.
    pub extern "program" fn copy_in(to: i32, from: [*]const u8, size: u32) bool;
    pub extern "program" fn copy_out(to: [*]u8, from: i32, size: u32) bool;
    pub extern "program" fn store32(at: i32, value: u32) bool;
    pub extern "program" fn load32(at: i32) i32;
};

pub const Given = enum(i32) { done, no_room, bad_pointers };

/// Whether the program's memory has all these bytes.
pub fn has(address: i32, size: i32) bool {
    const end = @as(u64, @as(u32, @bitCast(address))) + @as(u32, @bitCast(size));
    return end <= @as(u64, @as(u32, @bitCast(module.pages()))) * 65536;
}

/// Bytes of the program's memory into `to`; false when they lie outside.
pub fn read(to: []u8, address: i32) bool {
    return module.copy_out(to.ptr, address, @intCast(to.len));
}

/// Bytes into the program's memory; false when it has no such place.
pub fn write(address: i32, from: []const u8) bool {
    return module.copy_in(address, from.ptr, @intCast(from.len));
}

pub fn writeU32(address: i32, value: u32) bool {
    return module.store32(address, value);
}

pub fn readU32(address: i32) ?u32 {
    if (!has(address, 4)) return null;
    return @bitCast(module.load32(address));
}
