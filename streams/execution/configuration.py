"""What an instance's driver is told of its program, in bytes: see driver/config.zig."""

import struct

from streams import limits
from streams.execution.program import Program


def encode_config(
    program: Program, dapp: str, partition: int, log_levels: int, answered: int
) -> bytes:
    """What driver/config.zig decodes."""
    specification, ceilings = program.specification, program.specification.ceilings
    fresh = specification.instance == "fresh"
    routes = [
        _text(event_type)
        + struct.pack(f"<I{len(names)}i", len(names), *map(program.handlers.index, names))
        for event_type, names in specification.handlers.items()
    ]
    env = [_text(key) + _text(value) for key, value in specification.env.items()]
    return b"".join(
        (
            struct.pack("<BBB", fresh, program.lasting, program.has_alloc),
            struct.pack("<BB", specification.roots, log_levels),
            struct.pack("<III", partition, answered, 0),
            struct.pack("<II", limits.STATE_VALUE_BYTES_MAX, ceilings.output_bytes),
            struct.pack("<II", ceilings.logs, limits.EVENT_LINES_MAX),
            struct.pack("<II", limits.LOG_TEXT_BYTES_MAX, ceilings.effects),
            struct.pack("<II", limits.CLAIM_SUBJECT_BYTES_MAX, limits.CLAIM_STATEMENT_BYTES_MAX),
            struct.pack("<II", limits.DEVICE_BYTES_MAX, limits.PAYLOAD_BYTES_MAX),
            struct.pack("<I", limits.RECORD_BYTES_MAX),
            struct.pack("<QIQ", ceilings.state_bytes, limits.STATE_KEYS_MAX, ceilings.sql_bytes),
            struct.pack("<Q", ceilings.files_bytes),
            struct.pack("<qq", ceilings.fuel, limits.BATCH_FUEL_MAX),
            struct.pack("<QI", limits.BATCH_BYTES_MAX, limits.EVENT_STATE_BYTES_MAX),
            program.digest,
            _text(dapp),
            struct.pack("<I", len(routes)),
            *routes,
            struct.pack("<I", len(env)),
            *env,
        )
    )  # fmt: skip


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data
