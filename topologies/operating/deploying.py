"""A Dapp is added, or gets a new version: from a file here, or uploaded."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from streams import limits
from streams.delivery.admin import TopicError, ensure_topics
from streams.registry.deployments import Deployment
from streams.registry.entries import Dapp
from streams.registry.manifest import Manifest, ManifestError, parse_manifest
from streams.topics import dapp_topics
from topologies.commands import CommandError
from topologies.config import Settings
from topologies.operating import dapps
from topologies.registering import Desk

_SENDING: Final = frozenset({"ws_send_tx", "ws_send_tx_with_operator"})


@dataclass(frozen=True, slots=True)
class Added:
    """What became of it."""

    dapp: Dapp
    before: Dapp | None  # None: it is new
    sends: bool  # its program may send transactions

    @property
    def is_unchanged(self) -> bool:
        """Whether it was served just so before."""
        return self.before is not None and self.before.deployment == self.dapp.deployment


def add_dapp(
    desk: Desk, settings: Settings, manifest: str, program: bytes, keys: Sequence[str] = ()
) -> dict[str, Any]:
    """Serve an uploaded Dapp, or a new version of it; see `add`.

    Args:
        desk: the registry.
        settings: where the node is.
        manifest: a program.toml; an SQL program's tables are in it, below ``[sql]``.
        program: WebAssembly.
        keys: operators' keys that it may pay with, besides those that it may already.

    Raises:
        CommandError: the manifest is none; or as `add`.
    """
    if len(manifest.encode()) > limits.MANIFEST_BYTES_MAX:
        raise CommandError(f"manifest: over {limits.MANIFEST_BYTES_MAX} bytes")
    try:
        read = parse_manifest(tomllib.loads(manifest), "manifest")
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"manifest: not TOML: {error}") from None
    except ManifestError as error:
        raise CommandError(str(error)) from None
    added = add(desk, settings, read, program, keys)
    outcome = "added" if added.before is None else "upgraded"
    return {
        "dapp": dapps.described(added.dapp),
        "outcome": "unchanged" if added.is_unchanged else outcome,
        "sends_transactions": added.sends,
    }


def add(
    desk: Desk, settings: Settings, manifest: Manifest, binary: bytes, keys: Sequence[str] = ()
) -> Added:
    """Check a Dapp, keep its program under its hash, make its topics and register it.

    One that is served already gets a new version, which takes over at its next barrier.

    Raises:
        CommandError: it cannot be served, or not go on so.
    """
    sends = _check(binary, manifest, settings)
    before = desk.registry.dapp(manifest.dapp.name)
    if before is not None:
        dapps.check_can_follow(before, manifest)
    _ensure_topics(desk, manifest)
    deployment = Deployment(manifest, dapps.keep(settings, binary))
    after = replace(
        before or Dapp(manifest, deployment.program_sha256),
        keys=dapps.united(before.keys if before else (), keys),
    )
    if before is None or before.deployment != deployment:
        after = dapps.deploy(desk, settings, after, deployment)
    elif before.keys != after.keys:
        desk.registry.wait_for(desk.writer.put(after))
    return Added(after, before, sends)


def _check(binary: bytes, manifest: Manifest, settings: Settings) -> bool:
    """Whether a program that a node can serve may send transactions."""
    from streams.execution.check import ProgramError  # heavy: only whoever adds pays it
    from streams.execution.starting import load_and_start
    from topologies.programs import keep_compiled, specification_of

    keep_compiled(settings)  # the node finds it ready
    try:
        program = load_and_start(binary, specification_of(manifest))
    except ProgramError as error:
        problems = "".join(f"\n  {problem}" for problem in error.problems)
        raise CommandError(f"{manifest.program.file} cannot be served:{problems}") from error
    return any(one.name in _SENDING for one in program.module.imports)


def _ensure_topics(desk: Desk, manifest: Manifest) -> None:
    name = manifest.dapp.name
    try:
        ensure_topics(desk.kafka, dapp_topics(name, manifest.dapp.partitions))
    except TopicError as error:
        raise CommandError(
            f"{error}: a Dapp keeps the partitions that it was first added with, because its "
            "state lies in them; change dapp.partitions back, or give the Dapp a new name"
        ) from error
