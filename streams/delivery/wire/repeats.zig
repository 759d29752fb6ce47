//! Which messages of a partition are repeats: a pure function of its log.
//!
//! A device that retries sends the same message id again. A message is a repeat when the same
//! (device, message id) is among the `capacity` message records before it, repeats included.
//! Execute drops repeats before the program sees them and the sink makes no row of them; both
//! must decide alike, also after a restart at any offset, so every message record that has an
//! id takes exactly one place in the window, whatever becomes of it. Raw records have no id and
//! take none.
//!
//! Counting a set per batch or forgetting by time would make the answer depend on where batches
//! were cut. Here a ring holds the last fingerprints in log order and an open-addressing table
//! finds the newest place of each; both grow only as the partition does. The ring is a quarter
//! longer than the window, so that the newest places can be taken back when a batch aborts.

const std = @import("std");
const Allocator = std.mem.Allocator;

/// The SipHash-2-4 of device ‖ id. Its key is fixed, since all nodes have to agree; it is not
/// Wyhash, for which a device could compute an id that hides another device's next message.
pub fn fingerprint(device: []const u8, id: *const [16]u8) u64 {
    return Sip.after(device).finish(device, id);
}

const sip_key = "w3bstreamrepeats";

/// SipHash-2-4 (Aumasson and Bernstein, 2012) of a text and sixteen bytes behind it. The standard
/// library's takes parts through a buffer, and cannot stop between the two.
const Sip = struct {
    v: [4]u64,

    /// The state after all whole words of the text.
    fn after(text: []const u8) Sip {
        const k0 = comptime std.mem.readInt(u64, sip_key[0..8], .little);
        const k1 = comptime std.mem.readInt(u64, sip_key[8..16], .little);
        var self = Sip{ .v = .{
            k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
            k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573,
        } };
        var at: usize = 0;
        while (at + 8 <= text.len) : (at += 8) self.word(std.mem.readInt(u64, text[at..][0..8], .little));
        return self;
    }

    /// The hash of `text` ‖ `id`, where this is the state after the text.
    fn finish(before: Sip, text: []const u8, id: *const [16]u8) u64 {
        var self = before;
        var last = @as(u64, (text.len + id.len) & 0xFF) << 56;
        const low = std.mem.readInt(u64, id[0..8], .little);
        const high = std.mem.readInt(u64, id[8..16], .little);
        if (text.len % 8 == 0) {
            self.word(low);
            self.word(high);
        } else { // what is left of the text moves the id up
            var rest: u64 = 0;
            for (text[text.len - text.len % 8 ..], 0..) |byte, i| rest |= @as(u64, byte) << @intCast(8 * i);
            const up: u6 = @intCast(8 * (text.len % 8));
            const down: u6 = @intCast(64 - @as(u7, up));
            self.word(rest | low << up);
            self.word(low >> down | high << up);
            last |= high >> down;
        }
        self.word(last);
        self.v[2] ^= 0xFF;
        inline for (0..4) |_| self.round();
        return self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3];
    }

    inline fn word(self: *Sip, value: u64) void {
        self.v[3] ^= value;
        self.round();
        self.round();
        self.v[0] ^= value;
    }

    inline fn round(self: *Sip) void {
        const rotl = std.math.rotl;
        var a, var b, var c, var d = self.v;
        a +%= b;
        b = rotl(u64, b, 13) ^ a;
        a = rotl(u64, a, 32);
        c +%= d;
        d = rotl(u64, d, 16) ^ c;
        a +%= d;
        d = rotl(u64, d, 21) ^ a;
        c +%= b;
        b = rotl(u64, b, 17) ^ c;
        c = rotl(u64, c, 32);
        self.v = .{ a, b, c, d };
    }
};

/// Fingerprints, with the states after devices seen lately at hand: a device sends message after
/// message, and its name is most of what is hashed. The first one of a name's place is in it;
/// what comes out is `fingerprint`.
pub const Fingerprints = struct {
    known: [places]Known = .{Known{}} ** places,

    const places_bits = 8;
    const places = 1 << places_bits; // 26 KB: they leave room in the processor's nearer cache
    const device_bytes_max = 64; // a did:key has 56; others are hashed whole

    const Known = struct {
        state: Sip = undefined,
        len: u8 = 0,
        device: [device_bytes_max]u8 = undefined,
    };

    pub fn of(self: *Fingerprints, device: []const u8, id: *const [16]u8) u64 {
        if (device.len < 8 or device.len > device_bytes_max) return fingerprint(device, id);
        const end = std.mem.readInt(u64, device[device.len - 8 ..][0..8], .little);
        const known = &self.known[@intCast((end *% 0x9E37_79B9_7F4A_7C15) >> (64 - places_bits))];
        if (!std.mem.eql(u8, known.device[0..known.len], device)) {
            known.state = Sip.after(device);
            known.len = @intCast(device.len);
            @memcpy(known.device[0..device.len], device);
        }
        return known.state.finish(device, id);
    }
};

pub const Window = struct {
    /// Messages that are remembered.
    capacity: u32,
    /// Odd, and unknown to devices where that matters: spreads fingerprints over the table, so
    /// that nobody can choose ids that land in one place. Set it before the first `seen`.
    spread: u64 = 0x9E37_79B9_7F4A_7C15,
    /// How many places have been taken since the start of the log as far as it was read.
    position: u64 = 0,
    next_at: u32 = 0, // its index in the ring

    ring: []Place = &.{}, // place of position p: p % ring_len, once it has its full length
    table: []u32 = &.{}, // an entry (see `entryOf`) for each fingerprint's newest place; 0: empty
    entries: u32 = 0,

    const Place = struct {
        fingerprint: u64 align(4),
        previous: u32, // the same fingerprint's place before this one, as in `table`
    };

    const index_bits = 20;
    const index_mask = (1 << index_bits) - 1;

    /// Index into the ring + 1, and above it bits of the fingerprint, so that others than the one
    /// looked for are passed over without a look into the ring, which is mostly not in a cache.
    fn entryOf(at: u32, print: u64) u32 {
        return @as(u32, @truncate(print)) << index_bits | (at + 1);
    }

    fn placeOf(self: *const Window, entry: u32) *Place {
        return &self.ring[(entry & index_mask) - 1];
    }

    pub fn init(capacity: u32) Window {
        std.debug.assert(capacity > 0 and capacity <= 1 << 19);
        return .{ .capacity = capacity };
    }

    pub fn deinit(self: *Window, allocator: Allocator) void {
        allocator.free(self.ring);
        allocator.free(self.table);
        self.* = undefined;
    }

    /// Whether the message is a repeat. It takes its place in the window in any case.
    pub fn seen(self: *Window, allocator: Allocator, print: u64) Allocator.Error!bool {
        if (self.position == self.ring.len and self.ring.len < self.ringMax()) {
            try self.growRing(allocator);
        }
        if ((self.entries + 1) * 8 > self.table.len * 5) try self.growTable(allocator);

        const at = self.next_at;
        const slot = self.find(print);
        const previous = self.table[slot];
        self.ring[at] = .{ .fingerprint = print, .previous = previous };
        self.table[slot] = entryOf(at, print);
        if (previous == 0) self.entries += 1;
        if (self.position >= self.capacity) self.forget(self.back(self.capacity));
        self.position += 1;
        self.next_at = if (at + 1 == self.ringMax()) 0 else at + 1;
        return previous != 0;
    }

    /// Where the window is now, for `undo`.
    pub fn mark(self: *const Window) u64 {
        return self.position;
    }

    /// How many of the newest places can be taken back.
    pub fn undoMax(self: *const Window) u32 {
        return self.ringMax() - self.capacity;
    }

    /// Takes back every message since `marked`, newest first: the window is as it was then.
    /// False, and nothing changed, when that is further back than `undoMax`.
    pub fn undo(self: *Window, marked: u64) bool {
        std.debug.assert(marked <= self.position);
        if (self.position - marked > self.undoMax()) return false;
        while (self.position > marked) {
            self.next_at = self.back(1);
            self.position -= 1;
            const place = self.ring[self.next_at];
            if (place.previous == 0) {
                self.remove(self.find(place.fingerprint));
            } else {
                self.table[self.find(place.fingerprint)] = place.previous;
            }
            if (self.position >= self.capacity) self.recall(self.back(self.capacity));
        }
        return true;
    }

    fn ringMax(self: *const Window) u32 {
        return self.capacity + @max(self.capacity / 4, 1);
    }

    /// The index of the place so many before the next one.
    fn back(self: *const Window, places: u32) u32 {
        return if (self.next_at >= places) self.next_at - places else self.next_at + self.ringMax() - places;
    }

    /// The place leaves the window: later ones are newer than it from now on.
    fn forget(self: *Window, at: u32) void {
        const print = self.ring[at].fingerprint;
        const slot = self.find(print);
        if (self.table[slot] == entryOf(at, print)) self.remove(slot);
    }

    /// The place is in the window again.
    fn recall(self: *Window, at: u32) void {
        const print = self.ring[at].fingerprint;
        const slot = self.find(print);
        if (self.table[slot] == 0) {
            self.table[slot] = entryOf(at, print);
            self.entries += 1;
        }
    }

    fn slotOf(self: *const Window, print: u64) usize {
        const bits = std.math.log2_int(usize, self.table.len);
        return @intCast((print *% self.spread) >> @intCast(64 - @as(u32, bits)));
    }

    /// The fingerprint's slot in the table, or the empty one where it belongs.
    fn find(self: *const Window, print: u64) usize {
        const tag = entryOf(0, print) & ~@as(u32, index_mask);
        var slot = self.slotOf(print);
        while (self.table[slot] != 0) : (slot = (slot + 1) & (self.table.len - 1)) {
            const entry = self.table[slot];
            if (entry & ~@as(u32, index_mask) != tag) continue;
            if (self.placeOf(entry).fingerprint == print) break;
        }
        return slot;
    }

    /// Empties a slot and moves later ones of its run back, so that no tombstones pile up
    /// (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
    fn remove(self: *Window, slot: usize) void {
        const mask = self.table.len - 1;
        var hole = slot;
        var next = slot;
        while (true) {
            next = (next + 1) & mask;
            if (self.table[next] == 0) break;
            const home = self.slotOf(self.placeOf(self.table[next]).fingerprint);
            if (((next -% home) & mask) >= ((next -% hole) & mask)) {
                self.table[hole] = self.table[next];
                hole = next;
            }
        }
        self.table[hole] = 0;
        self.entries -= 1;
    }

    /// Only before the ring has its full length, so position and index are still the same.
    fn growRing(self: *Window, allocator: Allocator) Allocator.Error!void {
        const len = @min(self.ringMax(), @max(1024, self.ring.len * 2));
        self.ring = try allocator.realloc(self.ring, len);
    }

    fn growTable(self: *Window, allocator: Allocator) Allocator.Error!void {
        const old = self.table;
        self.table = try allocator.alloc(u32, @max(2048, old.len * 2));
        @memset(self.table, 0);
        allocator.free(old);
        // In the ring's order, which is that of memory; the newest of a fingerprint stays.
        const count: u32 = @intCast(@min(self.position, self.capacity));
        for (0..count) |i| {
            const at = self.back(count - @as(u32, @intCast(i)));
            const print = self.ring[at].fingerprint;
            self.table[self.find(print)] = entryOf(at, print);
        }
    }
};

// The rule itself, said plainly: what the window is checked against.
fn repeatsPlainly(prints: []const u64, at: usize, capacity: usize) bool {
    const from = if (at > capacity) at - capacity else 0;
    return std.mem.indexOfScalar(u64, prints[from..at], prints[at]) != null;
}

test "a window agrees with the plain rule at every size" {
    const allocator = std.testing.allocator;
    for ([_]u32{ 1, 2, 3, 7, 64, 1000 }) |capacity| {
        var random = std.Random.DefaultPrng.init(capacity);
        var window = Window.init(capacity);
        defer window.deinit(allocator);
        var prints: [6000]u64 = undefined;
        for (&prints, 0..) |*print, at| {
            print.* = random.random().uintLessThan(u64, capacity * 2);
            try std.testing.expectEqual(
                repeatsPlainly(&prints, at, capacity),
                try window.seen(allocator, print.*),
            );
        }
    }
}

test "what is undone has never been, at any cut" {
    const allocator = std.testing.allocator;
    for ([_]u32{ 4, 9, 64, 1000 }) |capacity| {
        var random = std.Random.DefaultPrng.init(capacity);
        var window = Window.init(capacity);
        defer window.deinit(allocator);
        var prints: [8000]u64 = undefined;
        var at: usize = 0;
        while (at < prints.len) {
            const marked = window.mark();
            const wanted = random.random().uintAtMost(usize, window.undoMax());
            const batch = @min(wanted, prints.len - at);
            for (0..batch) |_| {
                _ = try window.seen(allocator, random.random().uintLessThan(u64, capacity * 2));
            }
            try std.testing.expect(window.undo(marked));
            for (at..at + batch) |i| {
                prints[i] = random.random().uintLessThan(u64, capacity * 2);
                try std.testing.expectEqual(
                    repeatsPlainly(&prints, i, capacity),
                    try window.seen(allocator, prints[i]),
                );
            }
            at += batch;
        }
    }
}

test "undo further back than the ring reaches is refused" {
    const allocator = std.testing.allocator;
    var window = Window.init(8);
    defer window.deinit(allocator);
    for (0..11) |print| _ = try window.seen(allocator, print);
    try std.testing.expect(!window.undo(8));
    try std.testing.expect(window.undo(9));
    try std.testing.expect(!try window.seen(allocator, 0)); // 0 left the window with the ninth
    try std.testing.expect(try window.seen(allocator, 8));
}

test "fingerprints are the same on every machine" {
    const id = "0123456789abcdef";
    try std.testing.expectEqual(16244649278096774959, fingerprint("did:x", id));
    // As the standard library's SipHash says, at every length, known or new.
    var random = std.Random.DefaultPrng.init(1);
    var known = Fingerprints{};
    var bytes: [300 + 16]u8 = undefined;
    for (0..4000) |round| {
        const len = if (round % 3 == 0) random.random().uintLessThan(usize, 300) else 40 + round % 30;
        // Few devices, so that they come again, and push each other out of their places.
        for (bytes[0..len], 0..) |*byte, at| byte.* = @truncate(at *% 7 +% round % 700);
        random.random().bytes(bytes[len..][0..16]);
        const wanted = std.hash.SipHash64(2, 4).toInt(bytes[0 .. len + 16], sip_key);
        try std.testing.expectEqual(wanted, fingerprint(bytes[0..len], bytes[len..][0..16]));
        try std.testing.expectEqual(wanted, known.of(bytes[0..len], bytes[len..][0..16]));
    }
}
