"""What a node is called on a Kafka that it may share with others."""

import contextlib
import os
import secrets
from typing import Final

from topologies.config import Settings

_FILE: Final = "node_id"
_BYTES: Final = 4


def node_id(settings: Settings) -> str:
    """The setting, or else a name that the data directory keeps, made when first asked for.

    Transactional ids and static group members carry it: two nodes on one Kafka would otherwise
    fence each other.
    """
    if settings.node_id is not None:
        return settings.node_id
    path = settings.data / _FILE
    if not path.exists():
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = settings.data / f"{_FILE}.{os.getpid()}"
        draft.write_text(secrets.token_hex(_BYTES) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # of several processes at once, one names the node
        draft.unlink()
    return path.read_text().strip()
