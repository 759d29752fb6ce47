"""Effects as execute would have written them."""

from streams.delivery.batch import Slice, pack_records
from streams.delivery.effects import Effect, effects_of
from streams.records import Kind, Output


def record(label: str, target: bytes, body: bytes, device: str = "did:x") -> bytes:
    return Output(
        kind=Kind.EFFECT,
        label=label,
        device=device.encode(),
        time_ms=1_700_000_000_000,
        message_id=bytes(range(16)),
        epoch=1,
        program=b"program!",
        index=0,
        a=target,
        b=body,
    ).encode()


def slice_of(values: list[bytes], dapp: str = "tally", partition: int = 3) -> Slice:
    size = len(values)
    packed = pack_records([b"did:x"] * size, values, range(size), [0] * size)
    return Slice(f"effects.{dapp}", partition, 0, size, size, packed, 1)


def effect(label: str, target: bytes, body: bytes) -> Effect:
    (made,) = effects_of(slice_of([record(label, target, body)]), {label})
    return made
