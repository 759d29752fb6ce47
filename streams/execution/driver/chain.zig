//! What a program asks of chains: transactions leave as effects, calls are answered outside.
//!
//! A transaction's hash does not exist while the event runs, and a replay must not send it
//! again; so `ws_send_tx` answers an id that follows from the event, under which whoever sends
//! effects does so once.
const std = @import("std");
const codes = @import("codes.zig");
const crossing = @import("crossing.zig");
const driver = @import("driver.zig");
const go_json = @import("go_json.zig");
const go_text = @import("go_text.zig");
const merkle = @import("merkle.zig");
const outside = @import("outside.zig");

const effect_tag = "w3bstream effect";
const digits_max = 78; // of 2^256 - 1
const uint256_max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

pub fn sendTx(chain: i32, address: i32, size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    return send(chain, address, size, p_address, p_size, false);
}

pub fn sendTxWithOperator(
    chain: i32,
    address: i32,
    size: i32,
    p_address: i32,
    p_size: i32,
) callconv(.C) i32 {
    return send(chain, address, size, p_address, p_size, true);
}

pub fn callContract(chain: i32, address: i32, size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    if (!outside.isServed(.call_contract)) return refused("eth client doesn't exist");
    const call = crossing.copyCounted(address, size) orelse return codes.failed;
    const answer = outside.ask(.call_contract, &.{ std.mem.asBytes(&chain), call });
    if (answer.code != codes.ok) return answer.code;
    return if (crossing.giveOut(answer.bytes, p_address, p_size)) codes.ok else codes.failed;
}

/// An effect's id: 0x and 64 hex digits. It follows from the message, its place among its
/// epoch's, and the effect's place among the event's.
pub fn effectId() [66]u8 {
    const host = &driver.host;
    var place: [24]u8 = undefined;
    std.mem.writeInt(u32, place[0..4], host.config.partition, .big);
    std.mem.writeInt(u64, place[4..12], host.progress.epoch, .big);
    std.mem.writeInt(u64, place[12..20], host.progress.messages, .big);
    std.mem.writeInt(u32, place[20..24], host.event.index, .big);
    const dapp = host.config.dapp;
    const digest = merkle.sha256(&.{
        effect_tag, &.{@intCast(dapp.len)}, dapp, &place, host.inputLeaf(),
    });
    return ("0x" ++ std.fmt.bytesToHex(digest, .lower)).*;
}

fn send(chain: i32, address: i32, size: i32, p_address: i32, p_size: i32, names_operator: bool) i32 {
    const text = crossing.copyCounted(address, size) orelse return codes.failed;
    const scratch = driver.host.temporary();
    const given = go_json.parse(scratch, text) orelse return refused("the transaction is no JSON object");
    const to = go_json.textOf(given, "to") orelse "";
    const value = go_json.textOf(given, "value") orelse "";
    if (to.len == 0 or value.len == 0) return refused("missing to or value string");
    const to_hex = withoutPrefix(to);
    if (to_hex.len != 40 or !isHex(to_hex)) {
        return refused("`to` is no address: it has to be 0x and 40 hexadecimal digits");
    }
    if (!isUint256(value)) return refused("fail to read tx value");
    const data = withoutPrefix(go_json.textOf(given, "data") orelse "");
    if (data.len % 2 != 0 or !isHex(data)) return refused("`data` is not hexadecimal");

    const id = effectId();
    if (!crossing.giveOut(&id, p_address, p_size)) return codes.failed;
    var body = go_text.Text{};
    const out = body.writer(scratch);
    out.print(
        "{{\"id\":\"{s}\",\"to\":\"0x{s}\",\"value\":\"{s}\",\"data\":\"0x{s}\"",
        .{ id, to_hex, value, data },
    ) catch driver.outOfMemory();
    if (names_operator) {
        out.writeAll(",\"operatorName\":") catch driver.outOfMemory();
        const name = go_json.textOf(given, "operatorName") orelse "";
        go_text.jsonString(&body, scratch, name) catch driver.outOfMemory();
    }
    body.append(scratch, '}') catch driver.outOfMemory();
    var number: [10]u8 = undefined;
    const target = std.fmt.bufPrint(&number, "{d}", .{@as(u32, @bitCast(chain))}) catch unreachable;
    driver.host.charge(@intCast(body.items.len));
    driver.host.emitEffect("send_tx", target, &.{body.items});
    return codes.ok;
}

fn refused(why: []const u8) i32 {
    driver.host.logError(why);
    return codes.failed;
}

fn withoutPrefix(text: []const u8) []const u8 {
    const has = std.mem.startsWith(u8, text, "0x") or std.mem.startsWith(u8, text, "0X");
    return if (has) text[2..] else text;
}

fn isHex(text: []const u8) bool {
    for (text) |character| if (!std.ascii.isHex(character)) return false;
    return true;
}

fn isUint256(text: []const u8) bool {
    for (text) |character| if (!std.ascii.isDigit(character)) return false;
    const digits = std.mem.trimLeft(u8, text, "0");
    if (digits.len != digits_max) return digits.len < digits_max;
    return std.mem.order(u8, digits, uint256_max) != .gt;
}
