//! WASI preview 1 (wasi_snapshot_preview1), all of it, as W3bStream gives it: no arguments,
//! environment, files, sockets or input. What it writes becomes lines of its log. Clocks and random
//! numbers come from the message.
const std = @import("std");
const driver = @import("driver.zig");
const guest = @import("guest.zig");
const stdio = @import("stdio.zig");

const success: i32 = 0;
const bad_descriptor: i32 = 8;
const fault: i32 = 21;
const not_supported: i32 = 58;
const not_seekable: i32 = 70;
const not_capable: i32 = 76;

const character_device: u32 = 2;

comptime {
    const served = .{
        .{ "args_get", &nothing2 },
        .{ "args_sizes_get", &sizes },
        .{ "environ_get", &nothing2 },
        .{ "environ_sizes_get", &sizes },
        .{ "clock_res_get", &clockResolution },
        .{ "clock_time_get", &clockTime },
        .{ "random_get", &random },
        .{ "fd_write", &write },
        .{ "fd_read", &read },
        .{ "fd_close", &close },
        .{ "fd_seek", &seek },
        .{ "fd_fdstat_get", &fdstat },
        .{ "fd_fdstat_set_flags", &setFlags },
        .{ "fd_prestat_get", &prestat },
        .{ "fd_prestat_dir_name", &prestatName },
        .{ "path_open", &pathOpen },
        .{ "proc_exit", &exit },
        .{ "sched_yield", &yield },
        // Nobody has a file, a folder or a socket to call these with, nor anything to wait for.
        .{ "fd_advise", &Without(bad_descriptor, .{ i32, i64, i64, i32 }).call },
        .{ "fd_allocate", &Without(bad_descriptor, .{ i32, i64, i64 }).call },
        .{ "fd_datasync", &Without(bad_descriptor, .{i32}).call },
        .{ "fd_fdstat_set_rights", &Without(bad_descriptor, .{ i32, i64, i64 }).call },
        .{ "fd_filestat_get", &Without(bad_descriptor, .{ i32, i32 }).call },
        .{ "fd_filestat_set_size", &Without(bad_descriptor, .{ i32, i64 }).call },
        .{ "fd_filestat_set_times", &Without(bad_descriptor, .{ i32, i64, i64, i32 }).call },
        .{ "fd_pread", &Without(bad_descriptor, .{ i32, i32, i32, i64, i32 }).call },
        .{ "fd_pwrite", &Without(bad_descriptor, .{ i32, i32, i32, i64, i32 }).call },
        .{ "fd_readdir", &Without(bad_descriptor, .{ i32, i32, i32, i64, i32 }).call },
        .{ "fd_renumber", &Without(bad_descriptor, .{ i32, i32 }).call },
        .{ "fd_sync", &Without(bad_descriptor, .{i32}).call },
        .{ "fd_tell", &Without(bad_descriptor, .{ i32, i32 }).call },
        .{ "path_create_directory", &Without(bad_descriptor, .{ i32, i32, i32 }).call },
        .{ "path_filestat_get", &Without(bad_descriptor, .{ i32, i32, i32, i32, i32 }).call },
        .{ "path_filestat_set_times", &Without(bad_descriptor, .{ i32, i32, i32, i32, i64, i64, i32 }).call },
        .{ "path_link", &Without(bad_descriptor, .{ i32, i32, i32, i32, i32, i32, i32 }).call },
        .{ "path_readlink", &Without(bad_descriptor, .{ i32, i32, i32, i32, i32, i32 }).call },
        .{ "path_remove_directory", &Without(bad_descriptor, .{ i32, i32, i32 }).call },
        .{ "path_rename", &Without(bad_descriptor, .{ i32, i32, i32, i32, i32, i32 }).call },
        .{ "path_symlink", &Without(bad_descriptor, .{ i32, i32, i32, i32, i32 }).call },
        .{ "path_unlink_file", &Without(bad_descriptor, .{ i32, i32, i32 }).call },
        .{ "poll_oneoff", &Without(not_supported, .{ i32, i32, i32, i32 }).call },
        .{ "proc_raise", &Without(not_supported, .{i32}).call },
        .{ "sock_accept", &Without(bad_descriptor, .{ i32, i32, i32 }).call },
        .{ "sock_recv", &Without(bad_descriptor, .{ i32, i32, i32, i32, i32, i32 }).call },
        .{ "sock_send", &Without(bad_descriptor, .{ i32, i32, i32, i32, i32 }).call },
        .{ "sock_shutdown", &Without(bad_descriptor, .{ i32, i32 }).call },
    };
    for (served) |pair| {
        @export(pair[1], .{ .name = "wasi_snapshot_preview1." ++ pair[0] });
    }
}

/// A function of these parameters that always answers the same.
fn Without(comptime code: i32, comptime parameters: anytype) type {
    return switch (parameters.len) {
        1 => struct {
            fn call(_: parameters[0]) callconv(.C) i32 {
                return code;
            }
        },
        2 => struct {
            fn call(_: parameters[0], _: parameters[1]) callconv(.C) i32 {
                return code;
            }
        },
        3 => struct {
            fn call(_: parameters[0], _: parameters[1], _: parameters[2]) callconv(.C) i32 {
                return code;
            }
        },
        4 => struct {
            fn call(_: parameters[0], _: parameters[1], _: parameters[2], _: parameters[3]) callconv(.C) i32 {
                return code;
            }
        },
        5 => struct {
            fn call(_: parameters[0], _: parameters[1], _: parameters[2], _: parameters[3], _: parameters[4]) callconv(.C) i32 {
                return code;
            }
        },
        6 => struct {
            fn call(_: parameters[0], _: parameters[1], _: parameters[2], _: parameters[3], _: parameters[4], _: parameters[5]) callconv(.C) i32 {
                return code;
            }
        },
        7 => struct {
            fn call(_: parameters[0], _: parameters[1], _: parameters[2], _: parameters[3], _: parameters[4], _: parameters[5], _: parameters[6]) callconv(.C) i32 {
                return code;
            }
        },
        else => unreachable,
    };
}

fn nothing2(_: i32, _: i32) callconv(.C) i32 {
    return success;
}

fn sizes(p_count: i32, p_bytes: i32) callconv(.C) i32 {
    if (!guest.writeU32(p_count, 0) or !guest.writeU32(p_bytes, 0)) return fault;
    return success;
}

fn clockTime(_: i32, _: i64, p_time: i32) callconv(.C) i32 {
    var bytes: [8]u8 = undefined;
    std.mem.writeInt(u64, &bytes, driver.host.event.time_ms *% 1_000_000, .little);
    return if (guest.write(p_time, &bytes)) success else fault;
}

fn clockResolution(_: i32, p_resolution: i32) callconv(.C) i32 {
    var bytes: [8]u8 = undefined;
    std.mem.writeInt(u64, &bytes, 1_000_000, .little); // a message's time is in milliseconds
    return if (guest.write(p_resolution, &bytes)) success else fault;
}

fn yield() callconv(.C) i32 {
    return success;
}

fn setFlags(fd: i32, _: i32) callconv(.C) i32 {
    return if (fd >= 0 and fd <= 2) success else bad_descriptor;
}

fn random(address: i32, size: i32) callconv(.C) i32 {
    if (!guest.has(address, size)) return fault;
    const length: u32 = @bitCast(size);
    driver.host.charge(length);
    const bytes = driver.host.scratchOf(length);
    var at: usize = 0;
    while (at < length) : (at += 8) {
        const drawn = std.mem.toBytes(driver.host.random());
        const n = @min(8, length - at);
        @memcpy(bytes[at..][0..n], drawn[0..n]);
    }
    return if (guest.write(address, bytes)) success else fault;
}

fn write(fd: i32, iovs: i32, count: i32, p_written: i32) callconv(.C) i32 {
    if (fd != 1 and fd != 2) return bad_descriptor;
    const entries: u32 = @bitCast(count);
    if (entries > 1024) return fault;
    var total: u32 = 0;
    for (0..entries) |i| {
        const at = @as(u32, @bitCast(iovs)) +% @as(u32, @intCast(i * 8));
        const from = guest.readU32(@bitCast(at)) orelse return fault;
        const size = guest.readU32(@bitCast(at +% 4)) orelse return fault;
        if (!guest.has(@bitCast(from), @bitCast(size))) return fault;
        driver.host.spend(size);
        const bytes = driver.host.scratchOf(size);
        _ = guest.read(bytes, @bitCast(from));
        stdio.write(@intCast(fd), bytes);
        total += size;
    }
    return if (guest.writeU32(p_written, total)) success else fault;
}

fn read(fd: i32, _: i32, _: i32, p_read: i32) callconv(.C) i32 {
    if (fd != 0) return bad_descriptor;
    return if (guest.writeU32(p_read, 0)) success else fault;
}

fn close(fd: i32) callconv(.C) i32 {
    return if (fd >= 0 and fd <= 2) success else bad_descriptor;
}

fn seek(fd: i32, _: i64, _: i32, _: i32) callconv(.C) i32 {
    return if (fd >= 0 and fd <= 2) not_seekable else bad_descriptor;
}

fn fdstat(fd: i32, p_stat: i32) callconv(.C) i32 {
    if (fd < 0 or fd > 2) return bad_descriptor;
    var stat = [_]u8{0} ** 24;
    stat[0] = character_device;
    return if (guest.write(p_stat, &stat)) success else fault;
}

fn prestat(_: i32, _: i32) callconv(.C) i32 {
    return bad_descriptor;
}

fn prestatName(_: i32, _: i32, _: i32) callconv(.C) i32 {
    return bad_descriptor;
}

fn pathOpen(_: i32, _: i32, _: i32, _: i32, _: i32, _: i64, _: i64, _: i32, _: i32) callconv(.C) i32 {
    return not_capable;
}

fn exit(code: i32) callconv(.C) void {
    var text: [40]u8 = undefined;
    const said = std.fmt.bufPrint(&text, "the program called proc_exit({d})", .{code}) catch unreachable;
    driver.host.breach(.trap, said);
}
