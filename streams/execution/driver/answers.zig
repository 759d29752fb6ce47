//! What became of an event, for a sender who waits for it (a flag in the message's header).
const std = @import("std");
const driver = @import("driver.zig");

/// Of one that left a trace: its handlers' codes follow; of one that came before: none.
pub const processed = "processed";
pub const repeat = "repeat";

/// An answer, if anybody waits: how the event ended, why, and the codes of the handlers that ran.
pub fn give(host: *driver.Driver, outcome: []const u8, why: []const u8) void {
    const event = &host.event;
    if (!event.wants_answer) return;
    const head = host.headOf(.answer, outcome, 0);
    const codes = std.mem.sliceAsBytes(event.codes[0..event.ran]);
    host.stream(.answers).addOutput(driver.allocator, event.device, head, why, &.{codes}) catch
        driver.outOfMemory();
}
