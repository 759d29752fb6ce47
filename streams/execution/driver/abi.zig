//! W3bStream's host functions (modules `env`, `stat`) and those of the `w3b` module, for the
//! program that runs. What they return are W3bStream's result codes.
//!
//! Every export here is named `module.function` as programs import it; the linker reads names
//! and types from the compiled driver, so this file is the one list of what a node serves.
const std = @import("std");
const driver = @import("driver.zig");
const apiCall = @import("api_call.zig").apiCall;
const chain = @import("chain.zig");
const codes = @import("codes.zig");
const crossing = @import("crossing.zig");
const files = @import("files.zig");
const go_text = @import("go_text.zig");
const guest = @import("guest.zig");
const json = @import("json.zig");
const outside = @import("outside.zig");
const merkle = @import("merkle.zig");
const Level = @import("event.zig").Level;

const gpa = driver.allocator;
const Text = go_text.Text;
const copyCounted = crossing.copyCounted;
const giveOut = crossing.giveOut;

const ok = codes.ok;
const resource_not_found = codes.resource_not_found;
const to_vm_failed = codes.to_vm_failed;
const from_vm_failed = codes.from_vm_failed;
const env_key_not_found = codes.env_key_not_found;
const no_db = codes.no_db;
const param_illegal = codes.param_illegal;
const failed = codes.failed;

comptime {
    const served = .{
        .{ "env.abort", &abort },
        .{ "env.trace", &trace },
        .{ "env.seed", &seed },
        .{ "env.ws_log", &log },
        .{ "env.ws_get_data", &getData },
        .{ "env.ws_set_data", &setData },
        .{ "env.ws_get_mqtt_msg", &getMqttMsg },
        .{ "env.ws_get_db", &getDb },
        .{ "env.ws_set_db", &setDb },
        .{ "env.ws_get_env", &getEnv },
        .{ "env.ws_set_sql_db", &setSqlDb },
        .{ "env.ws_get_sql_db", &getSqlDb },
        .{ "env.ws_call_contract", &chain.callContract },
        .{ "env.ws_send_tx", &chain.sendTx },
        .{ "env.ws_send_tx_with_operator", &chain.sendTxWithOperator },
        .{ "env.ws_api_call", &apiCall },
        .{ "env.ws_send_mqtt_msg", &sendMqtt },
        .{ "stat.ws_submit_metrics", &submitMetrics },
        .{ "w3b.result", &result },
        .{ "w3b.claim", &claim },
        .{ "w3b.event_type", &eventType },
        .{ "w3b.device", &device },
        .{ "w3b.time", &time },
        .{ "w3b.file_get", &files.fileGet },
        .{ "w3b.file_put", &files.filePut },
    };
    for (served) |pair| @export(pair[1], .{ .name = pair[0] });
}

// --- env: what W3bStream's programs import --------------------------------------------------------

/// AssemblyScript's abort: UTF-16 texts. It does not trap; the compiler puts `unreachable` after.
fn abort(message: i32, file: i32, line: i32, column: i32) callconv(.C) void {
    driver.host.countLog();
    var said = Text{};
    defer said.deinit(gpa);
    var place = Text{};
    defer place.deinit(gpa);
    if (!crossing.appendUtf16(&said, message)) return undecoded(said.items);
    if (!crossing.appendUtf16(&place, file)) return undecoded(place.items);
    print("abort: {s} at {s}:{d}:{d}", .{ said.items, place.items, line, column }, .@"error");
}

/// AssemblyScript's trace(message, n, ...up to five numbers).
fn trace(message: i32, n: i32, a: f64, b: f64, c: f64, d: f64, e: f64) callconv(.C) void {
    driver.host.countLog();
    if (!driver.host.keeps(.info)) return;
    var said = Text{};
    defer said.deinit(gpa);
    if (!crossing.appendUtf16(&said, message)) return undecoded(said.items);
    const numbers = [_]f64{ a, b, c, d, e };
    const count: usize = @intCast(std.math.clamp(n, 0, 5));
    for (numbers[0..count], 0..) |number, i| {
        said.appendSlice(gpa, if (i == 0) " " else ", ") catch driver.outOfMemory();
        go_text.float(&said, gpa, number) catch driver.outOfMemory();
    }
    print("trace: {s}", .{said.items}, .info);
}

/// The original says so of trace as well.
fn undecoded(why: []const u8) void {
    print("fail to decode arguments in env.abort: {s}", .{why}, .@"error");
}

fn print(comptime format: []const u8, parts: anytype, level: Level) void {
    const text = std.fmt.allocPrint(gpa, format, parts) catch driver.outOfMemory();
    defer gpa.free(text);
    driver.host.writeLog(level, "wasmExportFunc", text);
}

fn seed() callconv(.C) f64 {
    const unit = @as(f64, @floatFromInt(driver.host.random() >> 11)) * 0x1p-53;
    return unit * @as(f64, @floatFromInt(driver.host.event.time_ms)) * 1e6;
}

fn log(number: i32, address: i32, size: i32) callconv(.C) i32 {
    driver.host.countLog();
    if (!guest.has(address, size)) {
        driver.host.writeLog(.@"error", "wasmCode", crossing.overflow);
        return failed;
    }
    const level: Level = if (number >= 0 and number <= 6) @enumFromInt(number) else .unknown;
    if (!driver.host.keeps(level) and !level.explains()) return ok;
    const text = crossing.copyText(address, size).?;
    defer gpa.free(text);
    driver.host.writeLog(level, "wasmCode", text);
    return ok;
}

fn getData(rid: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    const bytes = driver.host.event.resource(rid) orelse return resource_not_found;
    return if (giveOut(bytes, p_address, p_size)) ok else to_vm_failed;
}

/// The message's topic (its event type is what the node knows of it) and its payload.
fn getMqttMsg(rid: i32, p_topic: i32, p_topic_size: i32, p_payload: i32, p_size: i32) callconv(.C) i32 {
    const bytes = driver.host.event.resource(rid) orelse return resource_not_found;
    if (!giveOut(driver.host.event.event_type, p_topic, p_topic_size)) return to_vm_failed;
    return if (giveOut(bytes, p_payload, p_size)) ok else to_vm_failed;
}

fn setData(rid: i32, address: i32, size: i32) callconv(.C) i32 {
    const bytes = copyCounted(address, size) orelse return to_vm_failed;
    driver.host.event.resources.append(gpa, .{ .rid = rid, .bytes = bytes }) catch
        driver.outOfMemory();
    return ok;
}

fn getDb(key: i32, key_size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    if (!crossing.isInside(key, key_size)) return resource_not_found;
    var buffer: [key_bytes_max]u8 = undefined;
    const name = readKey(&buffer, key, key_size) orelse return resource_not_found;
    if (files.isFile(name)) return resource_not_found;
    const value = driver.host.stored(name) orelse return resource_not_found;
    if (driver.host.keeps(.info)) logPair("host.GetDB", name, value);
    return if (giveOut(value, p_address, p_size)) ok else to_vm_failed;
}

fn setDb(key: i32, key_size: i32, value: i32, value_size: i32) callconv(.C) i32 {
    const length: u32 = @bitCast(key_size);
    const value_length: u32 = @bitCast(value_size);
    if (!crossing.isInside(key, key_size) or !crossing.isInside(value, value_size)) {
        return resource_not_found;
    }
    const config = &driver.host.config;
    if (length > key_bytes_max or value_length > config.value_bytes_max or
        driver.host.state.bytes + length + value_length > config.state_bytes_max)
    {
        driver.host.breach(.state_limit, "keyed state is at its ceiling, or a key or value is too large");
    }
    driver.host.spend(value_length);
    driver.host.chargeState(length + value_length);
    var buffer: [key_bytes_max]u8 = undefined;
    const name = readKey(&buffer, key, key_size).?;
    if (files.isFile(name)) {
        driver.host.logError("such a key is the node's own: it keeps the names of files");
        return failed;
    }
    if (driver.host.state.cells.count() >= config.state_keys_max and driver.host.state.get(name) == null) {
        driver.host.breach(.state_limit, "keyed state has as many keys as a partition may have");
    }
    const scratch = driver.host.scratchOf(value_length);
    _ = guest.read(scratch, value);
    if (driver.host.keeps(.info)) logPair("host.SetDB", name, scratch);
    driver.host.state.set(name, scratch) catch driver.outOfMemory();
    return ok;
}

/// What W3bStream logs of each access to keyed state.
fn logPair(verb: []const u8, key: []const u8, value: []const u8) void {
    var text = Text{};
    defer text.deinit(gpa);
    text.writer(gpa).print("{s} {s}:", .{ verb, key }) catch driver.outOfMemory();
    // No more than a log keeps, and a byte that is cut off needs four at most.
    const kept = value[0..@min(value.len, driver.host.config.log_text_bytes_max)];
    go_text.quote(&text, gpa, kept) catch driver.outOfMemory();
    driver.host.writeLog(.info, "wasmExportFunc", text.items);
}

fn getEnv(key: i32, key_size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    if (!crossing.isInside(key, key_size)) return to_vm_failed;
    var buffer: [key_bytes_max]u8 = undefined;
    const name = readKey(&buffer, key, key_size) orelse return env_key_not_found;
    const value = driver.host.config.env.get(name) orelse return env_key_not_found;
    return if (giveOut(value, p_address, p_size)) ok else to_vm_failed;
}

fn setSqlDb(address: i32, size: i32) callconv(.C) i32 {
    if (!outside.isServed(.sql_exec)) return no_db;
    const statement = copyCounted(address, size) orelse return resource_not_found;
    return outside.ask(.sql_exec, &.{statement}).code;
}

fn getSqlDb(address: i32, size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    if (!outside.isServed(.sql_query)) return no_db;
    const statement = copyCounted(address, size) orelse return resource_not_found;
    const answer = outside.ask(.sql_query, &.{statement});
    if (answer.code != ok) return answer.code;
    return if (giveOut(answer.bytes, p_address, p_size)) ok else to_vm_failed;
}

fn sendMqtt(topic: i32, topic_size: i32, message: i32, message_size: i32) callconv(.C) i32 {
    const to = copyCounted(topic, topic_size) orelse return failed;
    const bytes = copyCounted(message, message_size) orelse return failed;
    driver.host.emitEffect("mqtt", to, &.{bytes});
    return ok;
}

/// Metrics: valid JSON, and not an array.
fn submitMetrics(address: i32, size: i32) callconv(.C) i32 {
    const body = copyCounted(address, size) orelse return failed;
    if (!isJson(body)) {
        driver.host.logError("invalid json");
        return failed;
    }
    if (std.mem.trimLeft(u8, body, json_space)[0] == '[') {
        driver.host.logError("json object should not be an array");
        return failed;
    }
    driver.host.emitEffect("metrics", "", &.{body});
    return ok;
}

// --- w3b: results, claims, and what the message is --------------------------------------------------

/// A JSON object that becomes a row for analysts.
fn result(address: i32, size: i32) callconv(.C) i32 {
    const body = copyCounted(address, size) orelse return from_vm_failed;
    const first = std.mem.trimLeft(u8, body, json_space);
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
        driver.host.logError("claim: the subject or the statement is too long");
        return param_illegal;
    }
    const about = copyCounted(subject, subject_size) orelse return from_vm_failed;
    const statement = copyCounted(address, size) orelse return from_vm_failed;
    const salt = merkle.sha256(&.{ &merkle.salt_tag, driver.host.inputLeaf() })[0..16].*;
    driver.host.addClaim(about, statement, salt);
    return ok;
}

fn eventType(p_address: i32, p_size: i32) callconv(.C) i32 {
    return if (giveOut(driver.host.event.event_type, p_address, p_size)) ok else to_vm_failed;
}

fn device(p_address: i32, p_size: i32) callconv(.C) i32 {
    return if (giveOut(driver.host.event.device, p_address, p_size)) ok else to_vm_failed;
}

/// The message's time in milliseconds, never the wall's: replays agree.
fn time() callconv(.C) i64 {
    return @bitCast(driver.host.event.time_ms);
}

pub const key_bytes_max = 1024;
const json_space = " \t\r\n";

/// A key that lies in the program's memory; null when no key is so long.
fn readKey(buffer: []u8, address: i32, size: i32) ?[]const u8 {
    const length: u32 = @bitCast(size);
    if (length > buffer.len) return null;
    return if (guest.read(buffer[0..length], address)) buffer[0..length] else null;
}

fn isJson(text: []const u8) bool {
    return json.isValid(gpa, text) catch driver.outOfMemory();
}
