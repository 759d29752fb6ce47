"""Cars that drive plausibly: samples once a second, trips that end, the same for the same seed.

A trip is a chain of legs: pull away to about the road's limit, cruise, brake for a light or a
slower road, stand. Speeds are built leg by leg as lists; everything else in a sample follows
from speed and its change by table, so that a sample costs one formatting of bytes. One process
makes several times the 50,000 samples a second that a demonstration needs.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import Final

from topologies.fleet.drives import Stretch

SAMPLE_MS: Final = 1000
LIMITS_KMH: Final = (30, 50, 50, 50, 70, 100, 120)
TRIP_S: Final = (300, 900)
PARKED_S: Final = (330, 900)  # past the silence that ends a trip anyway
SHARE_AGGRESSIVE: Final = 0.15
SHARE_TRIM_FAULT: Final = 0.05  # engines that run lean
CENTRE: Final = (48.137, 11.575)
_KMH_PER_DEGREE: Final = 3600 * 111.32  # of latitude, for one second at 1 km/h

# The telemetry schema, in the order in which the program expects it (wasm_programs/README.md).
_TEMPLATE: Final = (
    b'{%b,"coolant_c":%d,"ltft_pct":%b,"stft_pct":%b,"fuel_pct":%.1f,"run_time_s":%d,'
    b'"limit_kmh":%d,"lat":%.5f,"lon":%.5f}'
)


class Car:
    """One simulated car and its driver. Implements `drives.Drive`."""

    def __init__(self, index: int, seed: int, duration_s: int, bad_share: float = 0.0) -> None:
        """``bad_share``: the share of messages that are made unreadable, in [0, 1)."""
        self.name = f"car-{index:05d}"
        self.duration_ms = duration_s * SAMPLE_MS
        self.faulty = 0
        self._bad_share = bad_share
        self._random = Random(f"{seed}/{index}")  # text: the same on every machine and run
        draw = self._random
        self._aggressive = draw.random() < SHARE_AGGRESSIVE
        self._ltft = b"%.2f" % (
            draw.uniform(8, 10) if draw.random() < SHARE_TRIM_FAULT else draw.uniform(-3, 3)
        )
        lean = 3.5 if float(self._ltft) > 5 else 0.0
        self._stft = [b"%.2f" % (lean + draw.gauss(0, 1.8)) for _ in range(64)]
        self._fuel_pct = draw.uniform(25, 95)
        self._lat = CENTRE[0] + draw.uniform(-0.1, 0.1)
        self._lon = CENTRE[1] + draw.uniform(-0.15, 0.15)
        self._phase_ms = draw.randrange(SAMPLE_MS)

    def stretches(self) -> Iterator[Stretch]:
        """A stretch a trip. The last trip ends with the car's time, however short it is."""
        draw = self._random
        begin_s, end_s = draw.randrange(5), self.duration_ms // SAMPLE_MS
        while begin_s < end_s:
            seconds = draw.randint(*TRIP_S)
            if end_s - begin_s - seconds < PARKED_S[0] + TRIP_S[0]:
                seconds = end_s - begin_s  # no room for another trip: drive on
            yield self._trip(begin_s, seconds)
            begin_s += seconds + draw.randint(*PARKED_S)

    def _trip(self, begin_s: int, seconds: int) -> Stretch:
        speeds, limits = self._speeds(seconds)
        payloads = self._payloads(speeds, limits)
        payloads[-1] = payloads[-1][:-1] + b',"ignition":false}'
        first_ms = begin_s * SAMPLE_MS + self._phase_ms
        offsets_ms = list(range(first_ms, first_ms + len(speeds) * SAMPLE_MS, SAMPLE_MS))
        raw = self._spoil(payloads) if self._bad_share > 0 else frozenset[int]()
        return Stretch(offsets_ms, payloads, raw)

    # --- speeds ---------------------------------------------------------------------------------

    def _speeds(self, seconds: int) -> tuple[list[int], list[int]]:
        """Speed and limit of each second; begins and ends standing."""
        draw = self._random
        speeds = [0] * min(draw.randint(2, 12), seconds)
        limits = [LIMITS_KMH[1]] * len(speeds)
        while len(speeds) < seconds:
            limit = draw.choice(LIMITS_KMH)
            self._leg(speeds, limit, seconds)
            limits += [limit] * (len(speeds) - len(limits))
        # Whatever the last leg was, come to rest: 12 km/h a second at most is no harsh braking.
        for back in range(1, len(speeds) + 1):
            if speeds[-back] <= 9 * (back - 1):
                break
            speeds[-back] = 9 * (back - 1)
        return speeds, limits

    def _leg(self, speeds: list[int], limit: int, seconds: int) -> None:
        """Append a leg, cut off at ``seconds``."""
        draw = self._random
        if self._aggressive:
            target = limit * draw.uniform(1.0, 1.25)
            away, brake = draw.uniform(7, 17), draw.uniform(6, 20)  # km/h a second
        else:
            target = limit * draw.uniform(0.86, 1.03)
            away, brake = draw.uniform(4, 9), draw.uniform(4, 9)
        speed = float(speeds[-1])
        while speed < target - away:
            speed += away
            speeds.append(round(speed))
        while speed > target + brake:
            speed -= brake
            speeds.append(round(speed))
        cruise = round(target)
        wobble = draw.randrange(8)
        speeds += [cruise + _WOBBLE[(i + wobble) & 7] for i in range(draw.randint(15, 90))]
        if draw.random() < 0.5:  # a light, a jam, or a call to answer
            speed = float(cruise)
            while speed > brake:
                speed -= brake
                speeds.append(round(speed))
            waits = draw.randint(200, 320) if draw.random() < 0.03 else draw.randint(3, 45)
            speeds += [0] * waits
        del speeds[seconds:]

    # --- payloads -------------------------------------------------------------------------------

    def _payloads(self, speeds: list[int], limits: list[int]) -> list[bytes]:
        draw = self._random
        heading = draw.uniform(0, 2 * math.pi)
        north = math.cos(heading) / _KMH_PER_DEGREE
        east = math.sin(heading) / (_KMH_PER_DEGREE * math.cos(math.radians(CENTRE[0])))
        ltft, stft, fuel = self._ltft, self._stft, self._fuel_pct
        lat, lon = self._lat, self._lon
        turn = draw.randint(40, 120)
        payloads = []
        before = 0
        for i, speed in enumerate(speeds):
            if i % turn == 0:  # a road bends: a right angle keeps the car near the centre
                north, east = -east * 0.67, north / 0.67
            lat += speed * north
            lon += speed * east
            payloads.append(
                _TEMPLATE
                % (
                    _engine(speed, speed - before, i & 7),
                    90 if i >= 600 else 18 + i * 3 // 25,
                    ltft,
                    stft[i & 63],
                    fuel - i * 0.0004,
                    i,
                    limits[i],
                    lat,
                    lon,
                )
            )
            before = speed
        self._lat, self._lon = lat, lon
        self._fuel_pct = fuel - len(speeds) * 0.0004 if fuel > 15 else 95.0
        return payloads

    def _spoil(self, payloads: list[bytes]) -> frozenset[int]:
        """Make a share of messages unreadable; the places of those that are not even JSON."""
        draw = self._random
        log_kept = math.log1p(-self._bad_share)
        raw: list[int] = []
        at = -1
        while True:
            # Gaps between bad messages are geometric: no draw for each good one.
            at += 1 + int(math.log(1.0 - draw.random()) / log_kept)
            if at >= len(payloads) - 1:  # the last one ends the trip: leave it
                return frozenset(raw)
            whole = payloads[at]
            match draw.randrange(3):
                case 0:  # cut off in transmission
                    payloads[at] = whole[: len(whole) // 2]
                    raw.append(at)
                case 1:  # a sensor gone mad
                    payloads[at] = whole.replace(b'"rpm":', b'"rpm":99')
                case 2:  # a sensor gone
                    payloads[at] = whole.replace(b'"coolant_c":', b'"coolant_c":null,"was":')
            self.faulty += 1


_WOBBLE: Final = (0, 0, 1, 1, 1, 0, 0, -1)  # km/h around a cruising speed
_GEARS: Final = ((16, 120), (32, 72), (52, 46), (80, 34), (1000, 27))  # up to km/h, rpm per km/h


@lru_cache(maxsize=16_384)
def _engine(speed: int, change: int, noise: int) -> bytes:
    """Speed, rpm, throttle and load of a sample: the engine's answer to a change of speed."""
    ratio = next(ratio for top, ratio in _GEARS if speed < top)
    pull = max(change, 0)
    rpm = max(780, speed * ratio + pull * 60) + noise * 6
    throttle = min(100.0, 15.7 + pull * 3.1 + speed * 0.06 + noise * 0.1)
    load = min(100.0, 21.0 + pull * 6.5 + speed * 0.16 + noise * 0.2) if change >= 0 else 12.2
    return b'"speed_kmh":%d,"rpm":%d,"throttle_pct":%.1f,"load_pct":%.1f' % (
        speed,
        rpm,
        throttle,
        load,
    )


def fleet(devices: int, duration_s: int, seed: int, bad_share: float = 0.0) -> list[Car]:
    """``devices`` cars that drive for ``duration_s`` seconds of their own time.

    Raises:
        ValueError: no device, no time, or a share outside [0, 1).
    """
    if devices < 1 or duration_s < 1 or not 0 <= bad_share < 1:
        raise ValueError("a fleet needs a device, a second, and a share of bad rows in [0, 1)")
    return [Car(index, seed, duration_s, bad_share) for index in range(devices)]
