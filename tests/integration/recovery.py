"""How long a node takes to give results again, seen from outside."""

import itertools
import json
import time
import uuid
from collections.abc import Callable

from tests.integration.device import ENVELOPES, JSON, Device
from tests.integration.following import Following
from tests.integration.running import RunningNode
from tests.waiting import wait_until

Body = Callable[[], tuple[bytes, str]]  # what to send, and its content type


def tally_probe() -> tuple[bytes, str]:
    """One message; the Dapp `tally` answers each with a result."""
    return json.dumps({"probe": time.monotonic()}).encode(), JSON


def driving_probes() -> Body:
    """Two samples a second apart, between which `safe_driving` sees a harsh acceleration; by the
    car's own clock ten seconds later each time, however soon the next follows."""
    times_ms = itertools.count(time.time_ns() // 1_000_000, 10_000)

    def probe() -> tuple[bytes, str]:
        began_ms = next(times_ms)
        lines = [
            b'{"time_ms":%d,"payload":{"speed_kmh":%d,"rpm":2500,"throttle_pct":17.65,'
            b'"load_pct":30.2,"coolant_c":85,"ltft_pct":-1.56,"stft_pct":2.34,"fuel_pct":55.69,'
            b'"run_time_s":2}}' % (began_ms + after_ms, speed_kmh)
            for after_ms, speed_kmh in ((0, 8), (1000, 24))
        ]
        return b"\n".join(lines), ENVELOPES

    return probe


class Prober:
    """A device that sends after a fault and waits for its result."""

    def __init__(self, node: RunningNode, dapp: str, results: Following, body: Body) -> None:
        """Registers a device of its own."""
        self._dapp, self._results, self._body = dapp, results, body
        self._device = Device(node.settings.endpoint_url)
        node.w3b("device", "add", "--did", self._device.did, "--owner", "prober", "--grant", dapp)
        self.acknowledged: list[str] = []
        self._last = (b"", "", "")

    def result_after_s(self, deadline_s: float = 60.0) -> float:
        """Seconds from now to the result of what is sent from now on."""
        began_s = time.monotonic()
        self._last = (*self._body(), str(uuid.uuid4()))
        ids = self._send_last()
        self.acknowledged += ids
        keys = [uuid.UUID(one).bytes for one in ids]
        seen = self._results.seen_s
        wait_until(lambda: any(key in seen for key in keys), f"a result of {ids}", deadline_s)
        return min(seen[key] for key in keys if key in seen) - began_s

    def repeat_last(self) -> list[str]:
        """Send the last request again, with its id; the messages' ids."""
        return self._send_last()

    def _send_last(self) -> list[str]:
        body, content_type, id_ = self._last
        return self._device.deliver(self._dapp, body, content_type, id=id_)
