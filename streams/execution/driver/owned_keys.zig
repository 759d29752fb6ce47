//! Which keys of keyed state are a device's. Programs name keys as they like, and nothing in the log
//! says for whom one was set; so a key is a device's if it is the device's name, or has its DID in it
//! as a whole: `trips/did:key:z6Mk…/last` is, and is no other's, since no DID goes on in another.
//! So is a row of a SQL table with its DID for a value. Names that are no DIDs ("7") may be part of any key, so of them only the whole key counts.
const std = @import("std");

const did = "did:key:";
const quoted_did = "\"" ++ did;

pub const Devices = struct {
    names: std.StringHashMapUnmanaged(void) = .{},

    /// Of names a line each, which have to last as long as this does.
    pub fn init(allocator: std.mem.Allocator, lines: []const u8) !Devices {
        var self = Devices{};
        var left = std.mem.splitScalar(u8, lines, '\n');
        while (left.next()) |name| {
            if (name.len > 0) try self.names.put(allocator, name, {});
        }
        return self;
    }

    pub fn deinit(self: *Devices, allocator: std.mem.Allocator) void {
        self.names.deinit(allocator);
    }

    /// Whether a row of a SQL table, a JSON object, has a device's DID for a value.
    pub fn ownRow(self: *const Devices, row: []const u8) bool {
        var from: usize = 0;
        while (std.mem.indexOfPos(u8, row, from, quoted_did)) |at| {
            var end = at + quoted_did.len;
            while (end < row.len and std.ascii.isAlphanumeric(row[end])) end += 1;
            if (end < row.len and row[end] == '"' and self.names.contains(row[at + 1 .. end])) return true;
            from = end;
        }
        return false;
    }

    pub fn own(self: *const Devices, key: []const u8) bool {
        if (self.names.contains(key)) return true;
        var from: usize = 0;
        while (std.mem.indexOfPos(u8, key, from, did)) |at| {
            var end = at + did.len;
            while (end < key.len and std.ascii.isAlphanumeric(key[end])) end += 1;
            const is_whole = at == 0 or !std.ascii.isAlphanumeric(key[at - 1]);
            if (is_whole and self.names.contains(key[at..end])) return true;
            from = end;
        }
        return false;
    }
};

test "a key is a device's by its name, or by its DID as a whole" {
    const allocator = std.testing.allocator;
    var devices = try Devices.init(allocator, "did:key:zAB\n7\n");
    defer devices.deinit(allocator);
    for ([_][]const u8{ "did:key:zAB", "7", "trips/did:key:zAB", "did:key:zAB:last", "did:key:zX,did:key:zAB" }) |key| {
        try std.testing.expect(devices.own(key));
    }
    for ([_][]const u8{ "", "did:key:zABC", "did:key:zA", "7/last", "17", "xdid:key:zAB", "did:key:" }) |key| {
        try std.testing.expect(!devices.own(key));
    }
}

test "a row is a device's if a value is its DID" {
    const allocator = std.testing.allocator;
    var devices = try Devices.init(allocator, "did:key:zAB\n7");
    defer devices.deinit(allocator);
    try std.testing.expect(devices.ownRow("{\"id\":1,\"car\":\"did:key:zAB\"}"));
    for ([_][]const u8{
        "{\"car\":\"did:key:zABC\"}", "{\"car\":\"7\"}", "{\"said\":\"\\\"did:key:zAB\\\"\"}",
        "{\"said\":\"did:key:zAB was here\"}", "{\"car\":\"did:key:zAB",
    }) |row| {
        try std.testing.expect(!devices.ownRow(row));
    }
}
