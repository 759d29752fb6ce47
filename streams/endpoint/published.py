"""What a node that has a name on the web says of itself there: who it is, what it took back."""

from collections.abc import Callable, Mapping
from typing import Final

from streams.wallet.credentials.status import STATUS_PATH
from streams.wallet.did_web import WELL_KNOWN

# The documents' content types, by path.
PUBLISHED: Final[Mapping[str, str]] = {
    WELL_KNOWN: "application/json",
    STATUS_PATH: "application/vc",
}

# What makes each of them; may take a moment.
Published = Mapping[str, Callable[[], bytes]]
