//! `ws_api_call`: a request to the node itself, in the form of HTTP. The node accepts it and
//! answers at once; what it comes to is an event of the type that the header `Eventtype` names.
//! So a request that is accepted leaves as an effect `api_call`.
//!
//! Requests and responses are as Go's encoding/json, net/http and gin make them, on which
//! W3bStream's own node is built.
const std = @import("std");
const chain = @import("chain.zig");
const codes = @import("codes.zig");
const crossing = @import("crossing.zig");
const driver = @import("driver.zig");
const go_json = @import("go_json.zig");
const go_text = @import("go_text.zig");

const Allocator = std.mem.Allocator;
const Text = go_text.Text;
const Header = std.StringArrayHashMapUnmanaged([]const []const u8);

const event_type_name = "Eventtype"; // as Go spells a header's name

const Request = struct { method: []const u8, url: []const u8, header: ?Header, body: []const u8 };

const Response = struct {
    status: u16,
    content_type: []const u8 = "",
    body: []const u8 = "",

    const json = "application/json; charset=utf-8";

    fn said(arena: Allocator, status: u16, comptime format: []const u8, parts: anytype) Response {
        const body = std.fmt.allocPrint(arena, format, parts) catch driver.outOfMemory();
        return .{ .status = status, .content_type = json, .body = body };
    }
};

pub fn apiCall(address: i32, size: i32, p_address: i32, p_size: i32) callconv(.C) i32 {
    const text = crossing.copyCounted(address, size) orelse return codes.from_vm_failed;
    const arena = driver.host.temporary();
    var out = Text{};
    if (requestFrom(arena, text)) |given| {
        var request = given;
        const response = serve(arena, &request);
        writeResponse(&out, arena, request, response) catch driver.outOfMemory();
    } else {
        out.appendSlice(arena,
            \\{"Status":"","StatusCode":400,"Proto":"","Header":null,"Body":null}
        ) catch driver.outOfMemory();
    }
    return if (crossing.giveOut(out.items, p_address, p_size)) codes.ok else codes.to_vm_failed;
}

// --- the request --------------------------------------------------------------------------------

/// Null: not a request.
fn requestFrom(arena: Allocator, text: []const u8) ?Request {
    const object = go_json.parse(arena, text) orelse return null;
    const method = stringIn(object, "Method") orelse return null;
    for (method) |character| {
        if (!std.ascii.isAlphanumeric(character) and
            std.mem.indexOfScalar(u8, "!#$%&'*+-.^_`|~", character) == null) return null;
    }
    const url = stringIn(object, "Url") orelse return null;
    for (url) |character| if (std.ascii.isControl(character)) return null;
    var header: ?Header = null;
    if (go_json.field(object, "Header")) |value| header = headerFrom(arena, value) orelse return null;
    return .{
        .method = if (method.len == 0) "GET" else method,
        .url = url,
        .header = header,
        .body = bodyFrom(arena, object) orelse return null,
    };
}

/// A field's text, empty where there is none; null: not a text.
fn stringIn(object: std.json.ObjectMap, name: []const u8) ?[]const u8 {
    const value = go_json.field(object, name) orelse return "";
    return if (value == .string) value.string else null;
}

fn headerFrom(arena: Allocator, value: std.json.Value) ?Header {
    if (value != .object) return null;
    var header = Header{};
    var fields = value.object.iterator();
    while (fields.next()) |one| {
        const list = switch (one.value_ptr.*) {
            .null => &[_]std.json.Value{},
            .array => |array| array.items,
            else => return null,
        };
        const texts = arena.alloc([]const u8, list.len) catch driver.outOfMemory();
        for (list, texts) |item, *to| to.* = switch (item) {
            .null => "",
            .string => |string| string,
            else => return null,
        };
        header.put(arena, one.key_ptr.*, texts) catch driver.outOfMemory();
    }
    return header;
}

/// Bytes: base64, with or without padding, or an array of numbers; null: neither.
fn bodyFrom(arena: Allocator, object: std.json.ObjectMap) ?[]const u8 {
    const value = go_json.field(object, "Body") orelse return "";
    switch (value) {
        .string => |text| {
            const stripped = std.mem.trimRight(u8, text, "=");
            const decoder = std.base64.standard_no_pad.Decoder;
            const size = decoder.calcSizeForSlice(stripped) catch return null;
            const bytes = arena.alloc(u8, size) catch driver.outOfMemory();
            decoder.decode(bytes, stripped) catch return null;
            return bytes;
        },
        .array => |array| {
            const bytes = arena.alloc(u8, array.items.len) catch driver.outOfMemory();
            for (array.items, bytes) |item, *byte| {
                if (item != .number_string) return null;
                byte.* = std.fmt.parseInt(u8, item.number_string, 10) catch return null;
            }
            return bytes;
        },
        else => return null,
    }
}

/// The path of a URL such as w3bstream://w3bstream.com/system/hello?x, or of a path alone.
fn pathOf(url: []const u8) []const u8 {
    const end = std.mem.indexOfAny(u8, url, "?#") orelse url.len;
    const rest = url[0..end];
    const scheme_end = std.mem.indexOf(u8, rest, "://") orelse return rest;
    const place = rest[scheme_end + 3 ..];
    const slash = std.mem.indexOfScalar(u8, place, '/') orelse return "";
    return place[slash..];
}

fn first(header: ?Header, name: []const u8) []const u8 {
    const values = (header orelse return "").get(name) orelse return "";
    return if (values.len > 0) values[0] else "";
}

// --- routes -------------------------------------------------------------------------------------

const Route = struct { method: []const u8, path: []const u8, serve: *const fn (Allocator, *Request) Response };

const routes = [_]Route{
    .{ .method = "GET", .path = "/system/hello", .serve = &hello },
    .{ .method = "GET", .path = "/system/read_tx", .serve = &readTx },
    .{ .method = "POST", .path = "/system/send_tx", .serve = &sendTx },
    .{ .method = "POST", .path = "/system/gen_zk_proof", .serve = &genProof },
};

fn serve(arena: Allocator, request: *Request) Response {
    const path = pathOf(request.url);
    for (routes) |route| {
        if (!std.mem.eql(u8, route.method, request.method) or !std.mem.eql(u8, route.path, path)) continue;
        if (first(request.header, event_type_name).len == 0) return .{ .status = 200 };
        return route.serve(arena, request);
    }
    return .{ .status = 404, .content_type = "text/plain", .body = "404 page not found" };
}

fn hello(arena: Allocator, request: *Request) Response {
    accept(arena, request.*, &chain.effectId());
    const name = first(request.header, "Name");
    const greeting = std.fmt.allocPrint(arena, "{{\"message\": \"hello {s}\"}}", .{name}) catch
        driver.outOfMemory();
    var body = Text{};
    go_text.jsonString(&body, arena, greeting) catch driver.outOfMemory();
    return .{ .status = 200, .content_type = Response.json, .body = body.items };
}

fn readTx(arena: Allocator, request: *Request) Response {
    if (problemWith(arena, request.body, "readTxReq", &.{ "ChainName", "Hash" })) |bad| return bad;
    accept(arena, request.*, &chain.effectId());
    return .{ .status = 200 };
}

fn sendTx(arena: Allocator, request: *Request) Response {
    if (problemWith(arena, request.body, "sendTxReq", &.{ "ChainName", "Data" })) |bad| return bad;
    const id = chain.effectId();
    const values = arena.dupe([]const u8, &.{arena.dupe(u8, &id) catch driver.outOfMemory()}) catch
        driver.outOfMemory();
    request.header.?.put(arena, "Transactionid", values) catch driver.outOfMemory();
    accept(arena, request.*, &id);
    return Response.said(arena, 200, "{{\"transactionID\":\"{s}\"}}", .{id});
}

fn genProof(arena: Allocator, request: *Request) Response {
    if (problemWith(arena, request.body, "CreateProofReq", &.{})) |bad| return bad;
    accept(arena, request.*, &chain.effectId());
    return .{ .status = 200 };
}

/// A bad request: no JSON object, or without the texts that it has to have.
fn problemWith(
    arena: Allocator,
    body: []const u8,
    comptime request_name: []const u8,
    comptime required: []const []const u8,
) ?Response {
    if (body.len == 0) return Response.said(arena, 400, "{{\"error\":\"EOF\"}}", .{});
    const object = go_json.parse(arena, body) orelse
        return Response.said(arena, 400, "{{\"error\":\"the body is no JSON object\"}}", .{});
    var missing = Text{};
    inline for (required) |name| {
        const text = stringIn(object, name) orelse
            return Response.said(arena, 400, "{{\"error\":\"" ++ name ++ " is no string\"}}", .{});
        if (text.len == 0) {
            missing.appendSlice(arena, if (missing.items.len > 0) "\\n" else "") catch driver.outOfMemory();
            missing.appendSlice(arena, "Key: '" ++ request_name ++ "." ++ name ++
                "' Error:Field validation for '" ++ name ++ "' failed on the 'required' tag") catch
                driver.outOfMemory();
        }
    }
    if (missing.items.len == 0) return null;
    return Response.said(arena, 400, "{{\"error\":\"{s}\"}}", .{missing.items});
}

/// The request as an effect: for the part of the node that carries it out.
fn accept(arena: Allocator, request: Request, id: []const u8) void {
    var body = Text{};
    writeRequest(&body, arena, request, id) catch driver.outOfMemory();
    driver.host.charge(@intCast(body.items.len)); // escapes make it longer than what was given
    driver.host.emitEffect("api_call", pathOf(request.url), &.{body.items});
}

// --- as JSON ------------------------------------------------------------------------------------

fn writeRequest(out: *Text, arena: Allocator, request: Request, id: []const u8) Allocator.Error!void {
    try out.appendSlice(arena, "{\"Method\":");
    try go_text.jsonString(out, arena, request.method);
    try out.appendSlice(arena, ",\"Url\":");
    try go_text.jsonString(out, arena, request.url);
    try out.appendSlice(arena, ",\"Header\":");
    try writeHeader(out, arena, request.header orelse .{});
    try out.appendSlice(arena, ",\"Body\":");
    try writeBase64(out, arena, request.body);
    try out.writer(arena).print(",\"id\":\"{s}\"}}", .{id});
}

/// The response's own header with the request's, which wins but for its content's type.
fn writeResponse(out: *Text, arena: Allocator, request: Request, response: Response) Allocator.Error!void {
    var header = Header{};
    if (response.content_type.len > 0) {
        const values = try arena.dupe([]const u8, &.{response.content_type});
        try header.put(arena, "Content-Type", values);
    }
    const given = request.header orelse Header{};
    for (given.keys(), given.values()) |name, values| {
        if (!std.mem.eql(u8, name, "Content-Type")) try header.put(arena, name, values);
    }
    const phrase = switch (response.status) {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        else => unreachable,
    };
    try out.writer(arena).print(
        "{{\"Status\":\"{d} {s}\",\"StatusCode\":{d},\"Proto\":\"HTTP/1.1\",\"Header\":",
        .{ response.status, phrase, response.status },
    );
    try writeHeader(out, arena, header);
    try out.appendSlice(arena, ",\"Body\":");
    try writeBase64(out, arena, response.body);
    try out.append(arena, '}');
}

fn writeHeader(out: *Text, arena: Allocator, header: Header) Allocator.Error!void {
    var sorted = header;
    sorted.sort(struct {
        keys: []const []const u8,
        pub fn lessThan(self: @This(), a: usize, b: usize) bool {
            return std.mem.lessThan(u8, self.keys[a], self.keys[b]);
        }
    }{ .keys = sorted.keys() });
    try out.append(arena, '{');
    for (sorted.keys(), sorted.values(), 0..) |name, values, i| {
        if (i > 0) try out.append(arena, ',');
        try go_text.jsonString(out, arena, name);
        try out.appendSlice(arena, ":[");
        for (values, 0..) |value, j| {
            if (j > 0) try out.append(arena, ',');
            try go_text.jsonString(out, arena, value);
        }
        try out.append(arena, ']');
    }
    try out.append(arena, '}');
}

fn writeBase64(out: *Text, arena: Allocator, bytes: []const u8) Allocator.Error!void {
    const encoder = std.base64.standard.Encoder;
    try out.append(arena, '"');
    const to = try out.addManyAsSlice(arena, encoder.calcSize(bytes.len));
    _ = encoder.encode(to, bytes);
    try out.append(arena, '"');
}
