//! W3bStream's host functions (modules `env`, `stat`) and those of the `w3b` module, for the
//! program that runs. What they return are W3bStream's result codes.
//!
//! Every export here is named `module.function` as programs import it; the linker reads names
//! and types from the compiled driver, so this file is the one list of what a node serves.
const std = @import("std");
const driver = @import("driver.zig");
const guest = @import("guest.zig");
const json = @import("json.zig");
const outputs = @import("outputs.zig");
const outside = @import("outside.zig");
const merkle = @import("merkle.zig");
const event = @import("event.zig");

const ok: i32 = 0;
const resource_not_found: i32 = 2;
const to_vm_failed: i32 = 5;
const from_vm_failed: i32 = 6;
const env_key_not_found: i32 = 8;
const no_db: i32 = 9;
const param_illegal: i32 = 10;
const failed: i32 = -1;

const log_text_max = 4096;

comptime {
    const served = .{
        .{ "env.abort", &abort },
        .{ "env.trace", &trace },
        .{ "env.seed", &seed },
        .{ "env.ws_log", &log },
        .{ "env.ws_get_data", &getData },
        .{ "env.ws_set_data", &setData },
        .{ "env.ws_get_db", &getDb },
        .{ "env.ws_set_db", &setDb },
        .{ "env.ws_get_env", &getEnv },
        .{ "env.ws_set_sql_db", &setSqlDb },
        .{ "env.ws_get_sql_db", &getSqlDb },
        .{ "env.ws_call_contract", &callContract },
        .{ "env.ws_send_mqtt_msg", &sendMqtt },
        .{ "stat.ws_submit_metrics", &submitMetrics },
        .{ "w3b.result", &result },
        .{ "w3b.claim", &claim },
        .{ "w3b.event_type", &eventType },
        .{ "w3b.device", &device },
        .{ "w3b.time", &time },
    };
    for (served) |pair| @export(pair[1], .{ .name = pair[0] });
}

// --- env: what W3bStream's programs import --------------------------------------------------------

/// AssemblyScript's abort: UTF-16 texts. It does not trap; the compiler puts `unreachable` after.
fn abort(message: i32, file: i32, line: i32, column: i32) callconv(.C) void {
    var text = std.ArrayListUnmanaged(u8){};
    defer text.deinit(driver.allocator);
    const writer = text.writer(driver.allocator);
    writer.writeAll("abort: ") catch return;
    appendUtf16(&text, message);
    writer.writeAll(" at ") catch return;
    appendUtf16(&text, file);
    writer.print(":{d}:{d}", .{ line, column }) catch return;
    driver.host.writeLog(.@"error", "wasmExportFunc", text.items);
}

/// AssemblyScript's trace(message, n, ...up to five numbers).
fn trace(message: i32, n: i32, a: f64, b: f64, c: f64, d: f64, e: f64) callconv(.C) void {
    var text = std.ArrayListUnmanaged(u8){};
    defer text.deinit(driver.allocator);
    const writer = text.writer(driver.allocator);
    writer.writeAll("trace: ") catch return;
    appendUtf16(&text, message);
    const numbers = [_]f64{ a, b, c, d, e };
    const count: usize = @intCast(std.math.clamp(n, 0, 5));
    for (numbers[0..count], 0..) |number, i| {
        writer.print("{s}{d}", .{ if (i == 0) " " else ", ", number }) catch return;
    }
    driver.host.writeLog(.info, "wasmExportFunc", text.items);
}

fn seed() callconv(.C) f64 {
    const unit = @as(f64, @floatFromInt(driver.host.random() >> 11)) * 0x1p-53;
    return unit * @as(f64, @floatFromInt(driver.host.event.time_ms)) * 1e6;
}

fn log(level: i32, address: i32, size: i32) callconv(.C) i32 {
    const text = copyText(address, size) orelse return failed;
    defer driver.allocator.free(text);
    const known = level >= 0 and level <= 6;
    driver.host.writeLog(if (known) @enumFromInt(level) else .unknown, "wasmCode", text);
    return ok;
}

fn getData(rid: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    const bytes = driver.host.event.resource(rid) orelse return resource_not_found;
    return giveOut(bytes, p_address, p_size);
}

fn setData(rid: i32, address: i32, size: i32) callconv(.C) i32 {
    const bytes = copyCounted(address, size) orelse return to_vm_failed;
    driver.host.event.resources.append(driver.allocator, .{ .rid = rid, .bytes = bytes }) catch
        driver.outOfMemory();
    return ok;
}

fn getDb(key: i32, key_size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    var buffer: [key_bytes_max]u8 = undefined;
    const name = readKey(&buffer, key, key_size) orelse return resource_not_found;
    const value = driver.host.state.get(name) orelse return resource_not_found;
    return giveOut(value, p_address, p_size);
}

fn setDb(key: i32, key_size: i32, value: i32, value_size: i32) callconv(.C) i32 {
    var buffer: [key_bytes_max]u8 = undefined;
    const length: u32 = @bitCast(key_size);
    const value_length: u32 = @bitCast(value_size);
    if (!guest.has(key, key_size) or !guest.has(value, value_size)) return resource_not_found;
    const config = &driver.host.config;
    if (length > key_bytes_max or value_length > config.value_bytes_max or
        driver.host.state.bytes + length + value_length > config.state_bytes_max)
    {
        driver.host.breach(.state_limit, "keyed state is at its ceiling, or a key or value is too large");
    }
    const name = readKey(&buffer, key, key_size).?;
    const scratch = driver.host.scratchOf(value_length);
    _ = guest.read(scratch, value);
    driver.host.state.set(name, scratch) catch driver.outOfMemory();
    return ok;
}

fn getEnv(key: i32, key_size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    var buffer: [key_bytes_max]u8 = undefined;
    const name = readKey(&buffer, key, key_size) orelse return env_key_not_found;
    const value = driver.host.config.env.get(name) orelse return env_key_not_found;
    return giveOut(value, p_address, p_size);
}

fn setSqlDb(address: i32, size: i32) callconv(.C) i32 {
    if (!outside.isServed(.sql_exec)) return no_db;
    const statement = copyCounted(address, size) orelse return resource_not_found;
    defer driver.allocator.free(statement);
    return explained(outside.ask(.sql_exec, &.{statement})).code;
}

fn getSqlDb(address: i32, size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    if (!outside.isServed(.sql_query)) return no_db;
    const statement = copyCounted(address, size) orelse return resource_not_found;
    defer driver.allocator.free(statement);
    const answer = explained(outside.ask(.sql_query, &.{statement}));
    return if (answer.code == ok) giveOut(answer.bytes, p_address, p_size) else answer.code;
}

fn callContract(chain: i32, address: i32, size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    if (!outside.isServed(.call_contract)) {
        driver.host.writeLog(.@"error", "wasmExportFunc", "eth client doesn't exist");
        return failed;
    }
    const call = copyCounted(address, size) orelse return failed;
    defer driver.allocator.free(call);
    const answer = explained(outside.ask(.call_contract, &.{ std.mem.asBytes(&chain), call }));
    if (answer.code != ok) return answer.code;
    return if (giveOut(answer.bytes, p_address, p_size) == ok) ok else failed;
}

/// An answer, with its error logged.
fn explained(answer: outside.Answer) outside.Answer {
    if (answer.code != ok and answer.bytes.len > 0) {
        driver.host.writeLog(.@"error", "wasmExportFunc", answer.bytes);
    }
    return answer;
}

fn sendMqtt(topic: i32, topic_size: i32, message: i32, message_size: i32) callconv(.C) i32 {
    return effect("mqtt", topic, topic_size, message, message_size);
}

/// Metrics: valid JSON, and not an array.
fn submitMetrics(address: i32, size: i32) callconv(.C) i32 {
    const body = copyCounted(address, size) orelse return failed;
    defer driver.allocator.free(body);
    const first = std.mem.trimLeft(u8, body, " \t\r\n");
    if (first.len == 0 or first[0] == '[' or !isJson(body)) return failed;
    driver.host.emit(.effects, .effect, "metrics", "", &.{body});
    return ok;
}

fn effect(label: []const u8, target: i32, target_size: i32, body: i32, body_size: i32) i32 {
    const to = copyCounted(target, target_size) orelse return failed;
    defer driver.allocator.free(to);
    const bytes = copyCounted(body, body_size) orelse return failed;
    defer driver.allocator.free(bytes);
    driver.host.emit(.effects, .effect, label, to, &.{bytes});
    return ok;
}

// --- w3b: results, claims, and what the message is --------------------------------------------------

/// A JSON object that becomes a row for analysts.
fn result(address: i32, size: i32) callconv(.C) i32 {
    const body = copyCounted(address, size) orelse return from_vm_failed;
    defer driver.allocator.free(body);
    const first = std.mem.trimLeft(u8, body, " \t\r\n");
    if (first.len == 0 or first[0] != '{' or !isJson(body)) return param_illegal;
    driver.host.emit(.results, .result, driver.host.event.event_type, "", &.{body});
    driver.host.event.index += 1;
    return ok;
}

/// A subject and a statement that the network will prove, salted so that nobody can guess it
/// from its hash: the salt follows from the message, whose id outsiders do not know.
fn claim(subject: i32, subject_size: i32, address: i32, size: i32) callconv(.C) i32 {
    const config = &driver.host.config;
    if (@as(u32, @bitCast(subject_size)) > config.subject_bytes_max or
        @as(u32, @bitCast(size)) > config.statement_bytes_max)
    {
        driver.host.writeLog(.@"error", "wasmExportFunc", "claim: the subject or the statement is too long");
        return param_illegal;
    }
    const about = copyCounted(subject, subject_size) orelse return from_vm_failed;
    defer driver.allocator.free(about);
    const statement = copyCounted(address, size) orelse return from_vm_failed;
    defer driver.allocator.free(statement);
    const salt = merkle.sha256(&.{ &merkle.salt_tag, driver.host.inputLeaf() })[0..16].*;
    driver.host.addClaim(about, statement, salt);
    return ok;
}

fn eventType(p_address: i32, p_size: i32) callconv(.C) i32 {
    return giveOut(driver.host.event.event_type, p_address, p_size);
}

fn device(p_address: i32, p_size: i32) callconv(.C) i32 {
    return giveOut(driver.host.event.device, p_address, p_size);
}

/// The message's time in milliseconds, never the wall's: replays agree.
fn time() callconv(.C) i64 {
    return @bitCast(driver.host.event.time_ms);
}

// --- across the two memories --------------------------------------------------------------------------

pub const key_bytes_max = 1024;

/// W3bStream's out pair: bytes that the guest's own `alloc` made room for.
fn giveOut(bytes: []const u8, p_address: i32, p_size: i32) i32 {
    if (!driver.host.config.has_alloc) {
        driver.host.writeLog(.@"error", "wasmExportFunc", "alloc is nil");
        return to_vm_failed;
    }
    const address = guest.module.alloc(@bitCast(@as(u32, @intCast(bytes.len))));
    if (!guest.write(address, bytes)) return to_vm_failed;
    if (!guest.writeU32(p_address, @bitCast(address))) return to_vm_failed;
    if (!guest.writeU32(p_size, @intCast(bytes.len))) return to_vm_failed;
    return ok;
}

fn readKey(buffer: []u8, address: i32, size: i32) ?[]const u8 {
    const length: u32 = @bitCast(size);
    if (length > buffer.len) return null;
    if (!guest.read(buffer[0..length], address)) return null;
    return buffer[0..length];
}

/// A copy that counts against the event's output; null when it lies outside the memory.
fn copyCounted(address: i32, size: i32) ?[]u8 {
    if (!guest.has(address, size)) return null;
    const length: u32 = @bitCast(size);
    driver.host.charge(length);
    const copy = driver.allocator.alloc(u8, length) catch driver.outOfMemory();
    _ = guest.read(copy, address);
    return copy;
}

/// A text's copy, its end cut off beyond what a log keeps.
fn copyText(address: i32, size: i32) ?[]u8 {
    if (!guest.has(address, size)) return null;
    const kept = @min(@as(u32, @bitCast(size)), log_text_max);
    const copy = driver.allocator.alloc(u8, kept) catch driver.outOfMemory();
    _ = guest.read(copy, address);
    return copy;
}

/// An AssemblyScript string: its length in bytes lies 4 before it. Null strings add nothing.
fn appendUtf16(text: *std.ArrayListUnmanaged(u8), address: i32) void {
    const at: u32 = @bitCast(address);
    if (at < 4) return;
    const stated = guest.readU32(@bitCast(at - 4)) orelse return;
    const size = @min(stated, log_text_max) & ~@as(u32, 1);
    const bytes = driver.allocator.alignedAlloc(u8, 2, size) catch return;
    defer driver.allocator.free(bytes);
    if (!guest.read(bytes, address)) return;
    const units = std.mem.bytesAsSlice(u16, bytes);
    var codepoints = std.unicode.Wtf16LeIterator.init(units);
    while (codepoints.nextCodepoint()) |codepoint| {
        var utf8: [4]u8 = undefined;
        const n = std.unicode.utf8Encode(codepoint, &utf8) catch
            std.unicode.utf8Encode(std.unicode.replacement_character, &utf8) catch unreachable;
        text.appendSlice(driver.allocator, utf8[0..n]) catch return;
    }
}

fn isJson(text: []const u8) bool {
    return json.isValid(driver.allocator, text) catch driver.outOfMemory();
}
