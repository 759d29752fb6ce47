"""How much may come in: a token bucket for each device, owner and Dapp. Pure but for the clock.

The buckets are those of the generic cell rate algorithm (ITU-T I.371): one number each, the time
at which the bucket will be full again, so an hour's silence costs nothing and a full bucket need
not be kept. A batch is counted at once: it is let in if the bucket has not run dry, even if it
takes more than there is, and what it took too much is waited for. So the rate is held over time,
and no body is too large to ever pass.

Each endpoint process counts for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from math import ceil
from typing import Final

from streams import limits
from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError

_SWEEP_BUCKETS: Final = 10_000  # full ones are looked for no sooner than there are so many
# Whose a bucket is, in a refusal; an address is told to nobody.
_WHOSE: Final = {
    Refusal.DEVICE_RATE_EXCEEDED: "device",
    Refusal.OWNER_RATE_EXCEEDED: "owner",
    Refusal.DAPP_RATE_EXCEEDED: "dapp",
}
_IPV6_PREFIX: Final = 64  # one customer's


@dataclass(frozen=True, slots=True)
class Charge:
    """So many messages of somebody who may send ``per_s`` of them; ``name``: unique in its kind."""

    refusal: Refusal  # what it is called when there are too many
    name: str
    per_s: int
    messages: int
    of: str = "messages"


class Rates:
    """The buckets of one endpoint process."""

    def __init__(
        self,
        clock: Clock,
        device_per_s: int | None = None,
        owner_per_s: int | None = None,
        address_per_s: int | None = None,
    ) -> None:
        """``device_per_s``, ``owner_per_s``: messages of any device or owner; None: no limit.

        ``address_per_s``: challenges, log-ins and registrations from any address.
        """
        self._address_per_s = address_per_s
        self._clock = clock
        self._device_per_s = device_per_s
        self._owner_per_s = owner_per_s
        self._full_at_s: dict[tuple[Refusal, str], float] = {}
        self._sweep_at = _SWEEP_BUCKETS

    def take(self, owner: str, devices: Mapping[str, int], dapps: Mapping[str, int | None]) -> None:
        """Count messages of one owner's devices that go to Dapps, or none of them.

        Args:
            owner: whose they are.
            devices: how many messages by device.
            dapps: messages a second by Dapp, None for one without a limit.

        Raises:
            RefusedError: DEVICE_RATE_EXCEEDED, OWNER_RATE_EXCEEDED or DAPP_RATE_EXCEEDED, with
                the seconds after which to try again.
        """
        if self._device_per_s is None and self._owner_per_s is None and not any(dapps.values()):
            return
        charges: list[Charge] = []
        if self._device_per_s is not None:
            charges += [
                Charge(Refusal.DEVICE_RATE_EXCEEDED, device, self._device_per_s, messages)
                for device, messages in devices.items()
            ]
        if self._owner_per_s is not None:
            messages = sum(devices.values())
            charges.append(Charge(Refusal.OWNER_RATE_EXCEEDED, owner, self._owner_per_s, messages))
        for dapp, per_s in dapps.items():
            if per_s is not None:
                messages = sum(devices.values())
                charges.append(Charge(Refusal.DAPP_RATE_EXCEEDED, dapp, per_s, messages))
        try:
            self._take(charges)
        except RefusedError as refused:
            refused.of(owner=owner)
            raise

    def attempt(self, address: str | None) -> None:
        """Count something that costs the node a signature, asked for by who is nobody yet.

        ``address``: an IP address; of IPv6 its network counts. None: not known.

        Raises:
            RefusedError: ADDRESS_RATE_EXCEEDED, with the seconds after which to try again.
        """
        if self._address_per_s is not None:
            name, per_s = _network(address or ""), self._address_per_s
            self._take([Charge(Refusal.ADDRESS_RATE_EXCEEDED, name, per_s, 1, "log-ins")])

    def _take(self, charges: Sequence[Charge]) -> None:
        now_s = self._clock.monotonic_s()
        for charge in charges:
            full_at_s = self._full_at_s.get((charge.refusal, charge.name), now_s)
            late_s = full_at_s - now_s - limits.RATE_BURST_S
            if late_s > 0:
                raise RefusedError(
                    charge.refusal,
                    f"more than {charge.per_s} {charge.of} a second: try again in {ceil(late_s)} s",
                    retry_after_s=ceil(late_s),
                    **_who(charge),
                )
        for charge in charges:
            key = (charge.refusal, charge.name)
            full_at_s = max(now_s, self._full_at_s.get(key, now_s))
            self._full_at_s[key] = full_at_s + charge.messages / charge.per_s
        if len(self._full_at_s) > self._sweep_at:
            self._full_at_s = {key: at for key, at in self._full_at_s.items() if at > now_s}
            self._sweep_at = max(_SWEEP_BUCKETS, 2 * len(self._full_at_s))


def _who(charge: Charge) -> dict[str, str]:
    whose = _WHOSE.get(charge.refusal)
    return {} if whose is None else {whose: charge.name}


def _network(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ip_network((address.partition("%")[0], _IPV6_PREFIX), strict=False))
    except ValueError:
        return address
