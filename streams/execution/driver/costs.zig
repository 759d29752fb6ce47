//! What an event may use, counted where host functions use it on the program's behalf.
const guest = @import("guest.zig");
const events = @import("event.zig");
const Driver = @import("driver.zig").Driver;

const call_fuel = 40; // of a host function, about what it takes in the program's own instructions
pub const draw_fuel = 400; // of a random number: a SHA-256
pub const ask_fuel = 50_000; // of a question to Python: some 50 µs
const owed_max = 4096; // fuel; paid later than it is owed, so that short calls cost nothing more

/// Count a line that the program logs; the same whether logs are kept or not.
pub fn countLog(self: *Driver) void {
    self.event.logs += 1;
    if (self.event.logs > self.config.logs_max) {
        breach(self, .log_limit, "the event logged more lines than it may");
    }
}

/// Count bytes against the event's output ceiling.
pub fn charge(self: *Driver, size: u32) void {
    self.event.output_bytes +|= size;
    if (self.event.output_bytes > self.config.output_bytes_max) {
        breach(self, .output_limit, "the event wrote more than its output ceiling");
    }
}

/// Count what is written to keyed state: all of it is kept until the batch is committed.
pub fn chargeState(self: *Driver, size: u32) void {
    self.event.state_bytes +|= size;
    if (self.event.state_bytes > self.config.event_state_bytes_max) {
        breach(self, .state_limit, "the event wrote more to keyed state than one may");
    }
}

/// A host function costs fuel for the bytes that it moves, as the program's own bulk instructions
/// do: a program could have the host copy for it for ever.
pub fn spend(self: *Driver, bytes: usize) void {
    spendFuel(self, call_fuel + (bytes >> 3));
}

pub fn spendFuel(self: *Driver, fuel: usize) void {
    self.event.owed +|= @intCast(fuel);
    if (self.event.owed >= owed_max) pay(self);
}

/// What host functions cost and the program has not paid yet. One that has no fuel left then runs on
/// to its next loop or call.
pub fn pay(self: *Driver) void {
    guest.module.spend(self.event.owed);
    self.event.owed = 0;
}

/// The event broke a limit: unwind to Python, which calls `fail`.
pub fn breach(self: *Driver, reason: events.Reason, text: []const u8) noreturn {
    self.event.breach = reason;
    self.explain(text);
    @trap();
}
