//! A program's start function runs whenever there is a new instance, which nobody but this node
//! decides. So that it always does the same it sees no event and no state, and nothing that it
//! writes stays. The event at hand waits meanwhile: it may have handlers left.
const driver = @import("driver.zig");
const events = @import("event.zig");
const Driver = driver.Driver;

/// The event at hand while a start function runs.
pub const Aside = struct { event: events.Event, marks: events.Marks, claims: usize };

pub fn begin(self: *Driver) void {
    self.starting = .{ .event = self.event, .marks = self.marks, .claims = self.event_claims.items.len };
    self.event = .{ .leaf = .{0} ** 32 };
    self.mark();
}

pub fn end(self: *Driver) void {
    const aside = self.starting.?;
    self.undoEvent();
    self.event_claims.shrinkRetainingCapacity(aside.claims);
    const has_copied = self.event.has_copied;
    self.event.resources.deinit(driver.allocator);
    self.event.last_error.deinit(driver.allocator);
    self.event = aside.event;
    self.event.has_copied = self.event.has_copied or has_copied;
    self.marks = aside.marks;
    self.starting = null;
}

/// What keyed state has under a key, for the program.
pub fn stored(self: *Driver, key: []const u8) ?[]const u8 {
    return if (self.starting == null) self.state.get(key) else null;
}
