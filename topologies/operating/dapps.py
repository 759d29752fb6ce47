"""Dapps: listed, paused, rolled back, removed; whose money they may spend."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from streams.clock import SystemClock
from streams.filesystem.store import FileStore
from streams.registry.deployments import (
    Deployed,
    Deployment,
    DeploymentError,
    check_upgrade,
    decode_deployment,
    with_deployment,
)
from streams.registry.entries import Dapp, DappStatus, Kind
from streams.registry.manifest import Manifest
from topologies.commands import CommandError
from topologies.config import Settings
from topologies.registering import Desk, known_dapp


def list_dapps(desk: Desk, _: Settings) -> dict[str, Any]:
    """All of them."""
    return {"dapps": [described(dapp) for dapp in desk.registry.dapps()]}


def get_dapp(desk: Desk, _: Settings, dapp: str) -> dict[str, Any]:
    """One, with its manifest and its history."""
    return described(known_dapp(desk, dapp))


def pause(desk: Desk, _: Settings, dapp: str) -> dict[str, Any]:
    """Run its program no more; its messages are taken and wait."""
    return _with_status(desk, dapp, DappStatus.PAUSED)


def resume(desk: Desk, _: Settings, dapp: str) -> dict[str, Any]:
    """Run its program again, on what has waited too."""
    return _with_status(desk, dapp, DappStatus.ACTIVE)


def roll_back(desk: Desk, settings: Settings, dapp: str) -> dict[str, Any]:
    """Go back to the deployment before, at the next barrier.

    Raises:
        CommandError: there is none, or it cannot be served any more.
    """
    from streams.execution import program as execution  # heavy: only whoever rolls back pays it
    from topologies.programs import specification_of

    before = known_dapp(desk, dapp)
    if len(before.history) < 2:
        raise CommandError(f"Dapp {dapp} has no deployment before this one")
    earlier = before.history[-2]
    files = FileStore(settings.files_url)
    try:
        deployment = decode_deployment(files.get(earlier.sha256))
        execution.load(files.get(deployment.program_sha256), specification_of(deployment.manifest))
    except (ValueError, OSError) as error:
        raise CommandError(
            f"version {earlier.version} of {dapp} cannot be served any more: {error}"
        ) from error
    check_can_follow(before, deployment.manifest)
    return described(deploy(desk, settings, before, deployment))


def remove(desk: Desk, _: Settings, dapp: str) -> dict[str, Any]:
    """Take no more messages for it; its topics, state and rows are kept."""
    removed = known_dapp(desk, dapp)
    desk.registry.wait_for(desk.writer.remove(Kind.DAPP, dapp))
    return described(removed)


def allow_key(desk: Desk, _: Settings, dapp: str, key: str) -> dict[str, Any]:
    """Let its transactions be paid with an operator's key."""
    before = known_dapp(desk, dapp)
    return _put(desk, replace(before, keys=united(before.keys, [key])))


def deny_key(desk: Desk, _: Settings, dapp: str, key: str) -> dict[str, Any]:
    """Let it no longer; what was taken before is still sent."""
    before = known_dapp(desk, dapp)
    if key not in before.keys:
        names = ", ".join(before.keys) or "no key"
        raise CommandError(f"Dapp {dapp} may not pay with {key}; it may with {names}")
    return _put(desk, replace(before, keys=tuple(one for one in before.keys if one != key)))


def deploy(desk: Desk, settings: Settings, before: Dapp, deployment: Deployment) -> Dapp:
    """Register what is to run from the next barrier on; its blob is there before anyone asks."""
    now_ms = SystemClock().now_ms()
    history = before.history
    if before.deployment != deployment and not history:  # registered by an earlier version
        keep(settings, before.deployment.encode())
        history = (_line(before.deployment, now_ms),)
    keep(settings, deployment.encode())
    after = replace(
        before,
        manifest=deployment.manifest,
        program_sha256=deployment.program_sha256,
        history=with_deployment(history, _line(deployment, now_ms)),
    )
    desk.registry.wait_for(desk.writer.put(after))
    return after


def keep(settings: Settings, blob: bytes) -> str:
    """Put a blob into the node's file store; its name.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        return FileStore(settings.files_url).put(blob)
    except OSError as error:
        raise CommandError(
            f"the program cannot be kept in {settings.files_url}: {error.strerror}"
        ) from error


def check_can_follow(before: Dapp, manifest: Manifest) -> None:
    """See that a Dapp can go on with another manifest.

    Raises:
        CommandError: it cannot.
    """
    try:
        check_upgrade(before.manifest, manifest)
    except DeploymentError as error:
        listed = "".join(f"\n  {problem}" for problem in str(error).splitlines())
        raise CommandError(f"Dapp {before.name} cannot go on so:{listed}") from error


def united(before: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    """Keys, each once, in order."""
    return tuple(dict.fromkeys((*before, *more)))


def described(dapp: Dapp) -> dict[str, Any]:
    """What is told of a Dapp."""
    return {
        "name": dapp.name,
        "program_sha256": dapp.program_sha256,
        "status": dapp.status,
        "keys": list(dapp.keys),
        "history": [asdict(line) for line in dapp.history],
        "manifest": dapp.manifest.model_dump(mode="json"),
    }


def _with_status(desk: Desk, name: str, status: DappStatus) -> dict[str, Any]:
    dapp = known_dapp(desk, name)
    if dapp.status is status:
        return described(dapp)
    return _put(desk, replace(dapp, status=status))


def _put(desk: Desk, dapp: Dapp) -> dict[str, Any]:
    desk.registry.wait_for(desk.writer.put(dapp))
    return described(dapp)


def _line(deployment: Deployment, now_ms: int) -> Deployed:
    version = deployment.manifest.dapp.version
    return Deployed(deployment.sha256, deployment.program_sha256, version, now_ms)
