//! SHA-256 of several messages at once: four lanes of 128-bit vectors, each with a message of
//! its own.
//!
//! Engines compile SHA-256 for wasm to plain integer code, as there is no instruction for it;
//! four independent messages side by side cost little more than one. Same digests as FIPS 180-4.
const std = @import("std");
const merkle = @import("merkle.zig");

pub const width = 4;
const V = @Vector(width, u32);
const block_bytes = 64;

/// Longer messages are hashed one by one: they are rare, and would need as much room.
pub const message_bytes_max = 4096;

const K = [64]u32{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

const initial = [8]u32{
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

fn start() [8]V {
    var state: [8]V = undefined;
    inline for (&state, initial) |*word, value| word.* = @splat(value);
    return state;
}

inline fn rotr(x: V, comptime n: u5) V {
    return (x >> @splat(n)) | (x << @splat(@as(u5, @intCast(32 - @as(u6, n)))));
}

/// One block of each lane into its state.
fn compress(state: *[8]V, blocks: [width]*const [block_bytes]u8) void {
    var w: [16]V = undefined;
    inline for (0..4) |quarter| {
        var rows: [width]V = undefined;
        inline for (0..width) |lane| rows[lane] = loadBig(blocks[lane][quarter * 16 ..][0..16]);
        const columns = transpose(rows);
        inline for (0..4) |i| w[quarter * 4 + i] = columns[i];
    }
    var s = state.*;
    inline for (0..64) |i| {
        if (i >= 16) {
            const near = w[(i - 15) % 16];
            const far = w[(i - 2) % 16];
            const s0 = rotr(near, 7) ^ rotr(near, 18) ^ (near >> @splat(3));
            const s1 = rotr(far, 17) ^ rotr(far, 19) ^ (far >> @splat(10));
            w[i % 16] = w[i % 16] +% s0 +% w[(i - 7) % 16] +% s1;
        }
        const a, const b, const c, const d, const e, const f, const g, const h = s;
        const sum1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
        const choice = g ^ (e & (f ^ g));
        const first = h +% sum1 +% choice +% w[i % 16] +% @as(V, @splat(K[i]));
        const sum0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
        const majority = (a & b) | (c & (a | b));
        s = .{ first +% sum0 +% majority, a, b, c, d +% first, e, f, g };
    }
    inline for (state, s) |*word, value| word.* +%= value;
}

inline fn loadBig(bytes: *const [16]u8) V {
    const raw: @Vector(16, u8) = bytes.*;
    const order = @Vector(16, i32){ 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12 };
    return @bitCast(@shuffle(u8, raw, undefined, order));
}

inline fn transpose(rows: [4]V) [4]V {
    const low = @Vector(4, i32){ 0, ~@as(i32, 0), 1, ~@as(i32, 1) };
    const high = @Vector(4, i32){ 2, ~@as(i32, 2), 3, ~@as(i32, 3) };
    const a = @shuffle(u32, rows[0], rows[2], low);
    const b = @shuffle(u32, rows[0], rows[2], high);
    const c = @shuffle(u32, rows[1], rows[3], low);
    const d = @shuffle(u32, rows[1], rows[3], high);
    return .{
        @shuffle(u32, a, c, low), @shuffle(u32, a, c, high),
        @shuffle(u32, b, d, low), @shuffle(u32, b, d, high),
    };
}

fn digestOf(state: *const [8]V, lane: usize) merkle.Hash {
    var out: merkle.Hash = undefined;
    for (state, 0..) |words, i| {
        const all: [width]u32 = words;
        std.mem.writeInt(u32, out[i * 4 ..][0..4], all[lane], .big);
    }
    return out;
}

/// The nodes above pairs of hashes: `hashes[i]` of `hashes[2 * i]` and `hashes[2 * i + 1]`.
pub fn nodesInPlace(hashes: []merkle.Hash, pairs: usize) void {
    // tag ‖ left ‖ right, the bit that ends a message, its length: two blocks.
    var padded = [_][2 * block_bytes]u8{pad(65)} ** width;
    var at: usize = 0;
    while (at + width <= pairs) : (at += width) {
        var blocks: [2][width]*const [block_bytes]u8 = undefined;
        for (&padded, 0..) |*message, lane| {
            message[0] = merkle.node_tag[0];
            message[1..33].* = hashes[2 * (at + lane)];
            message[33..65].* = hashes[2 * (at + lane) + 1];
            blocks[0][lane] = message[0..block_bytes];
            blocks[1][lane] = message[block_bytes..];
        }
        var state = start();
        compress(&state, blocks[0]);
        compress(&state, blocks[1]);
        for (0..width) |lane| hashes[at + lane] = digestOf(&state, lane);
    }
    while (at < pairs) : (at += 1) {
        hashes[at] = merkle.node(&hashes[2 * at], &hashes[2 * at + 1]);
    }
}

fn pad(comptime size: usize) [2 * block_bytes]u8 {
    var out = [_]u8{0} ** (2 * block_bytes);
    out[size] = 0x80;
    std.mem.writeInt(u64, out[2 * block_bytes - 8 ..][0..8], size * 8, .big);
    return out;
}

/// Messages to be hashed, each into its place; a lane that is done takes the next one.
pub const Queue = struct {
    const padded_max = message_bytes_max + 2 * block_bytes;

    const Lane = struct {
        target: ?*merkle.Hash = null, // null: idle
        block: u32 = 0,
        blocks: u32 = 0,
        message: [padded_max]u8 = undefined,
    };

    lanes: [width]Lane = .{Lane{}} ** width,
    state: [8]V = start(),
    busy: u32 = 0,

    /// Hash a message of at most `message_bytes_max`, given in parts; `target` has its digest
    /// once as many more have been added, or after `flush`.
    pub fn add(self: *Queue, target: *merkle.Hash, parts: []const []const u8) void {
        while (self.busy == width) self.step();
        const index = for (&self.lanes, 0..) |*lane, i| {
            if (lane.target == null) break i;
        } else unreachable;
        const lane = &self.lanes[index];
        var size: usize = 0;
        for (parts) |part| {
            @memcpy(lane.message[size..][0..part.len], part);
            size += part.len;
        }
        lane.blocks = @intCast((size + 9 + block_bytes - 1) / block_bytes);
        lane.block = 0;
        const end = lane.blocks * block_bytes;
        @memset(lane.message[size..end], 0);
        lane.message[size] = 0x80;
        std.mem.writeInt(u64, lane.message[end - 8 ..][0..8], size * 8, .big);
        lane.target = target;
        inline for (&self.state, initial) |*words, value| {
            var all: [width]u32 = words.*;
            all[index] = value;
            words.* = all;
        }
        self.busy += 1;
    }

    pub fn flush(self: *Queue) void {
        while (self.busy > 0) self.step();
    }

    /// Blocks of all lanes, until one of them is done.
    fn step(self: *Queue) void {
        var rounds: u32 = std.math.maxInt(u32);
        for (&self.lanes) |*lane| {
            if (lane.target != null) rounds = @min(rounds, lane.blocks - lane.block);
        }
        var state = self.state;
        for (0..rounds) |round| {
            var blocks: [width]*const [block_bytes]u8 = undefined;
            for (&self.lanes, 0..) |*lane, i| {
                const at = if (lane.target == null) 0 else (lane.block + round) * block_bytes;
                blocks[i] = lane.message[at..][0..block_bytes];
            }
            compress(&state, blocks);
        }
        self.state = state;
        for (&self.lanes, 0..) |*lane, i| {
            const target = lane.target orelse continue;
            lane.block += rounds;
            if (lane.block == lane.blocks) {
                target.* = digestOf(&state, i);
                lane.target = null;
                self.busy -= 1;
            }
        }
    }
};

test "digests are SHA-256's, at every length and in any company" {
    var queue = Queue{};
    var bytes: [message_bytes_max]u8 = undefined;
    for (&bytes, 0..) |*byte, i| byte.* = @truncate(i *% 31);
    const sizes = [_]usize{ 0, 1, 55, 56, 63, 64, 65, 119, 120, 4096, 3, 300, 301, 302, 64, 1000 };
    var digests: [sizes.len]merkle.Hash = undefined;
    for (sizes, &digests) |size, *digest| {
        queue.add(digest, &.{ bytes[0 .. size / 3], bytes[size / 3 .. size] });
    }
    queue.flush();
    for (sizes, digests) |size, digest| {
        try std.testing.expectEqual(merkle.sha256(&.{bytes[0..size]}), digest);
    }
}

test "nodes above pairs" {
    var hashes: [22]merkle.Hash = undefined;
    for (&hashes, 0..) |*hash, i| hash.* = merkle.sha256(&.{&.{@as(u8, @intCast(i))}});
    var wanted: [11]merkle.Hash = undefined;
    for (&wanted, 0..) |*node, i| node.* = merkle.node(&hashes[2 * i], &hashes[2 * i + 1]);
    nodesInPlace(&hashes, 11);
    try std.testing.expectEqual(wanted, hashes[0..11].*);
}
