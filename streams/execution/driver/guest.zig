//! The program's side, as the driver sees it: functions of the shim that is generated for each
//! program (`streams/execution/linking.py`), and its memory behind bounds checks.
//!
//! Addresses and lengths come from the program as i32 and mean u32.

pub const module = struct {
    pub extern "program" fn alloc(size: i32) i32;
    pub extern "program" fn call(handler: i32, rid: i32) i32;
    /// Memory and globals as they were after instantiation; fuel for one event.
    pub extern "program" fn restore() void;
    pub extern "program" fn refuel(fuel: i64) void;
    pub extern "program" fn fuel_left() i64;
    pub extern "program" fn spend(fuel: u32) void;
    pub extern "program" fn pages() i32;
    pub extern "program" fn copy_in(to: i32, from: [*]const u8, size: i32) void;
    pub extern "program" fn copy_out(to: [*]u8, from: i32, size: i32) void;
    pub extern "program" fn store32(at: i32, value: i32) void;
    pub extern "program" fn load32(at: i32) i32;
};

/// Whether the program's memory has all these bytes.
pub fn has(address: i32, size: i32) bool {
    const end = @as(u64, @as(u32, @bitCast(address))) + @as(u32, @bitCast(size));
    return end <= @as(u64, @as(u32, @bitCast(module.pages()))) * 65536;
}

/// Bytes of the program's memory into `to`; false when they lie outside.
pub fn read(to: []u8, address: i32) bool {
    const size: i32 = @bitCast(@as(u32, @intCast(to.len)));
    if (!has(address, size)) return false;
    // An empty slice may lie anywhere, and copying nothing to nowhere traps all the same.
    if (size != 0) module.copy_out(to.ptr, address, size);
    return true;
}

/// Bytes into the program's memory; false when it has no such place.
pub fn write(address: i32, from: []const u8) bool {
    const size: i32 = @bitCast(@as(u32, @intCast(from.len)));
    if (!has(address, size)) return false;
    if (size != 0) module.copy_in(address, from.ptr, size);
    return true;
}

pub fn writeU32(address: i32, value: u32) bool {
    if (!has(address, 4)) return false;
    module.store32(address, @bitCast(value));
    return true;
}

pub fn readU32(address: i32) ?u32 {
    if (!has(address, 4)) return null;
    return @bitCast(module.load32(address));
}
