"""What has to be looked at again of a credential that was believed once.

Its text never changes, so its signature need not be checked again; whether its issuer's document
still has the key, whether it has ended and whether it was taken back may change any time.
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from streams.wallet.credentials.model import Credential

_STATUS: Final = ("type", "statusPurpose", "statusListIndex", "statusListCredential")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of a credential that a verifier believed.

    ``sha256`` is of its text, ``methods`` are the keys that signed it, ``statuses`` are its
    entries of status lists, each as the values of `_STATUS`.
    """

    sha256: str
    methods: tuple[str, ...]
    until_ms: int | None = None
    statuses: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, text: str, credential: Credential) -> Self:
        """Of a credential and its text."""
        return cls(
            hashlib.sha256(text.encode()).hexdigest(),
            credential.methods,
            credential.valid_until_ms,
            tuple(
                tuple(str(status.get(name)) for name in _STATUS) for status in credential.statuses
            ),
        )

    @property
    def status_entries(self) -> tuple[Mapping[str, Any], ...]:
        """The entries as they are in the credential, as far as they are read."""
        return tuple(dict(zip(_STATUS, values, strict=True)) for values in self.statuses)

    def to_json(self) -> dict[str, Any]:
        """As it lies in the registry."""
        return {
            "sha256": self.sha256,
            "methods": self.methods,
            "until_ms": self.until_ms,
            "statuses": self.statuses,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """What `to_json` made.

        Raises:
            KeyError, TypeError, ValueError: something else.
        """
        return cls(
            str(body["sha256"]),
            tuple(map(sys.intern, body["methods"])),  # few for many credentials, as lists are
            body["until_ms"],
            tuple(tuple(map(sys.intern, one)) for one in body["statuses"]),
        )
