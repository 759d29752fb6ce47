"""Deployments: a program with its manifest, as one blob whose SHA-256 names it.

A Dapp changes programs at a barrier of its log, and the barrier names the deployment that runs
from there on. So whoever reads the log again, years later or on another node, finds what ran
where; the registry only says which deployment the next barrier has to name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

from streams import limits
from streams.registry.manifest import Manifest, ManifestError, parse_manifest
from streams.registry.sql_schema import upgrade_problems

# What lies in a partition's state, or in what a network has agreed on, and so stays as it was.
_FIXED: Final = (
    ("partitions", "keyed state lies in the partitions that its messages have"),
    ("consensus", "epochs are numbered and hashed from the first one on, or not at all"),
    ("trust_model", "what devices sent under one cannot be read under another"),
)


class DeploymentError(ValueError):
    """A deployment that a Dapp cannot go on with; says why and what to do, a line a problem."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What runs: a program (SHA-256, 64 hex digits) as its manifest says."""

    manifest: Manifest
    program_sha256: str

    def encode(self) -> bytes:
        """The blob that is kept in the file store."""
        body = {
            "manifest": self.manifest.model_dump(mode="json"),
            "program_sha256": self.program_sha256,
        }
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)

    @property
    def sha256(self) -> str:
        """The blob's SHA-256, 64 hex digits."""
        return sha256(self.encode()).hexdigest()


def decode_deployment(blob: bytes) -> Deployment:
    """A deployment from its blob.

    Raises:
        DeploymentError: the blob is none, or of a manifest that this version does not know.
    """
    try:
        body = orjson.loads(blob)
        manifest = parse_manifest(body["manifest"], "a deployment's manifest")
        return Deployment(manifest, str(body["program_sha256"]))
    except (ValueError, KeyError, TypeError, ManifestError) as error:
        raise DeploymentError(f"not a deployment: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Deployed:
    """A line of a Dapp's history: since when the registry wants which deployment."""

    sha256: str
    program_sha256: str
    version: str
    since_ms: int


def check_upgrade(before: Manifest, after: Manifest) -> None:
    """Whether a Dapp with state and messages may go on with another manifest.

    Raises:
        DeploymentError: not with this one.
    """
    problems = [
        f"dapp.{field} was {getattr(before.dapp, field)!r} and cannot become "
        f"{getattr(after.dapp, field)!r}: {reason}; change it back, or give the Dapp a new name"
        for field, reason in _FIXED
        if getattr(before.dapp, field) != getattr(after.dapp, field)
    ]
    problems += _result_problems(before.results.columns, after.results.columns)
    problems += upgrade_problems(before.sql, after.sql)
    if problems:
        raise DeploymentError("\n".join(problems))


def _result_problems(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Columns of results may be added and left out; those that stay keep their types."""
    return [
        f"results.columns.{name} was {type_} and cannot become {after[name]}: results that are"
        " stored would read differently, and queries with them; keep the type, and add a column"
        " with a new name for what the program says from now on"
        for name, type_ in before.items()
        if after.get(name, type_) != type_
    ]


def with_deployment(history: tuple[Deployed, ...], latest: Deployed) -> tuple[Deployed, ...]:
    """A history that goes on; its first line stays, the oldest of the others may go."""
    longer = (*history, latest)
    return longer[:1] + longer[1:][-(limits.DEPLOYMENTS_KEPT_MAX - 1) :]
