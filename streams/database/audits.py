"""Asking the audit log."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from streams.database.server import Server

COLUMNS: Final = (
    "at_ms", "who", "door", "action", "kind", "name", "owner", "device", "dapp", "reason", "times",
    "before", "after",
)  # fmt: skip
# An empty text is no condition.
_SQL: Final = """
SELECT toUnixTimestamp64Milli(at), who, door, action, kind, name, owner, device, dapp, reason,
       times, before, after
FROM audit
WHERE ({device:String} = '' OR device = {device:String})
  AND ({owner:String} = '' OR owner = {owner:String})
  AND ({dapp:String} = '' OR dapp = {dapp:String})
  AND at >= fromUnixTimestamp64Milli({since_ms:Int64})
ORDER BY at DESC, `offset` DESC
LIMIT {most:UInt32}
"""


def audited(
    server: Server,
    *,
    device: str = "",
    owner: str = "",
    dapp: str = "",
    since_ms: int = 0,
    most: int,
) -> Sequence[Mapping[str, Any]]:
    """The newest records that concern somebody, oldest first; empty: anybody.

    Each has `COLUMNS`; ``before`` and ``after`` are only there where they say something.

    Raises:
        DatabaseError: ClickHouse is away or refuses.
    """
    asked = {"device": device, "owner": owner, "dapp": dapp, "since_ms": since_ms, "most": most}
    found = []
    for row in reversed(server.rows(_SQL, asked)):
        record = dict(zip(COLUMNS, row, strict=True))
        for name in ("before", "after"):
            said = record.pop(name)
            if said:
                record[name] = orjson.loads(said)
        found.append(record)
    return found
