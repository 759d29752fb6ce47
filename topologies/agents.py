"""The wiring of a node, on one page and in the order of a message's path.

Each function is a stage: where its batches come from, what deals with them, where what comes
out goes. `topologies.stage` gives each a Faust agent; `topologies.node` decides which run where.
Imports are inside: a process imports what its own stages need.
"""

from typing import TYPE_CHECKING

from mode import Service

from streams.registry.entries import Dapp
from topologies.stage import Stage
from topologies.wiring import Wiring

if TYPE_CHECKING:
    from topologies.parts.sending import Senders


def endpoint(wiring: Wiring) -> Service:
    """devices → HTTP, MQTT, gRPC → messages.<dapp>."""
    from topologies.parts.receiving import Receiving

    return Receiving(wiring)


def execute(wiring: Wiring, dapp: Dapp, slot: str) -> Stage:
    """messages.<dapp> → its program → results, state, claims, effects, dead letters."""
    from topologies.parts.executing import executing

    name = f"execute.{dapp.name}"
    return Stage(wiring.app, name, lambda emit: executing(wiring, dapp.name, slot, emit))


def store(wiring: Wiring) -> Stage:
    """messages, results, claims, dead letters of all Dapps, and proofs → ClickHouse."""
    from topologies.parts.storing import Storing

    return Stage(wiring.app, "store", lambda emit: Storing(wiring, emit))


def close(wiring: Wiring, dapp: Dapp) -> Service:
    """Time, count, upgrades → a barrier in every partition of messages.<dapp>: an epoch ends."""
    from topologies.parts.closing import Closing

    return Closing(wiring, dapp)


def agree(wiring: Wiring) -> Stage:
    """claims of all Dapps → what the authorities sign → proofs."""
    from topologies.parts.agreeing import Agreeing

    return Stage(wiring.app, "agree", lambda emit: Agreeing(wiring, emit))


def senders(wiring: Wiring) -> "Senders":
    """Who signs and sends transactions, for the stages below; in one process only."""
    from topologies.parts.sending import Senders

    return Senders(wiring)


def submit(wiring: Wiring, senders: "Senders") -> Stage:
    """proofs → transactions on the chain."""
    from topologies.parts.submitting import Submitting

    return Stage(wiring.app, "submit", lambda emit: Submitting(wiring, senders, emit))


def act(wiring: Wiring, senders: "Senders") -> Stage:
    """effects.<dapp>: transactions, API calls → chains → answers in messages.<dapp>."""
    from topologies.parts.acting import Acting

    return Stage(wiring.app, "act", lambda emit: Acting(wiring, senders, emit))


def publish(wiring: Wiring) -> Stage:
    """effects.<dapp>: MQTT messages → a broker."""
    from topologies.parts.publishing import Publishing

    return Stage(wiring.app, "publish", lambda emit: Publishing(wiring, emit))


def vouch(wiring: Wiring) -> Service:
    """Owners' credentials → which of their devices are held."""
    from topologies.parts.vouching import Vouching

    return Vouching(wiring)


def erase(wiring: Wiring) -> Service:
    """Erasures that were asked for → messages.<dapp>; once carried out → their certificates."""
    from topologies.parts.erasing import Erasing

    return Erasing(wiring)


def watch(wiring: Wiring) -> Service:
    """Schedules, and what happens on chains → messages.<dapp>."""
    from topologies.parts.watching import Watching

    return Watching(wiring)
