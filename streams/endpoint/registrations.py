"""What owners may change in the registry through the doors: their devices and grants.

Writing to the registry, and fetching what a credential needs, block: each has threads of its own.
Changes are looked at and written one after another, so that of two that meet the second sees what
the first has written.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from streams import limits
from streams.audit.record import Author
from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.logins import Site
from streams.registry.adding import (
    NotOwnedError,
    TakenError,
    device_missing,
    new_grant,
    owner_missing,
)
from streams.registry.entries import (
    Device,
    DeviceStatus,
    Entry,
    EntryError,
    Erasure,
    Grant,
    Kind,
)
from streams.registry.erasures import erasures_of
from streams.registry.ownership import owned_device
from streams.registry.view import Registry, RegistryError
from streams.registry.writer import RegistryWriter
from streams.wallet.credentials.faults import CredentialError
from streams.wallet.credentials.verifier import Verifier

_VERIFY_AT_ONCE: Final = 4  # each may wait for others' servers, for seconds
_DOOR: Final = "http"  # the one by which owners come
_T = TypeVar("_T")

# Keeps a credential's text; the name by which it is found again is its SHA-256.
Keep = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a node believes of owners."""

    verifier: Verifier  # of their credentials
    keep: Keep
    is_open: bool = False  # owners whom the operator has not added may come too
    site: Site | None = None  # for whom they sign to log in; None: they cannot


class Registrations:
    """Changes of owners, in one endpoint process."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        registry: Registry,
        trust: Trust,
        clock: Clock,
        instance: str = "0",
    ) -> None:
        """``instance``: the process's name among the node's endpoints, the same after a restart."""
        self._registry = registry
        self._trust = trust
        self._clock = clock
        self._writer = RegistryWriter(
            kafka, registry, transactional_id=f"registry.owners.{instance}", clock=clock
        )
        self._verifying = ThreadPoolExecutor(_VERIFY_AT_ONCE, thread_name_prefix="verify")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="registrations")
        self._waiting = 0

    async def owned(self, credential: str) -> Device:
        """The device that a credential is about, as its issuer's.

        Raises:
            RefusedError: CREDENTIAL_REFUSED, or OVERLOADED: too many at once.
        """
        try:
            return await self._run(self._verifying, self._owned, credential)
        except CredentialError as error:
            raise RefusedError(Refusal.CREDENTIAL_REFUSED, f"{error.fault}: {error}") from None

    async def add(self, device: Device, credential: str | None = None) -> None:
        """A device that has shown that it has its key becomes its owner's. Twice is once.

        ``credential``: the text of that by which it is, which is kept.

        Raises:
            RefusedError: OWNER_UNKNOWN, DEVICE_OWNED, DEVICE_REVOKED, TOO_MANY_DEVICES,
                MALFORMED_REQUEST, OVERLOADED, or LOG_UNAVAILABLE.
        """
        try:
            await self._write(device.owner, lambda: self._added(device, credential))
        except RefusedError as refused:
            refused.of(device=device.did)
            raise

    async def revoke(self, owner: str, did: str) -> None:
        """A device of the owner may send no more, for good.

        Raises:
            RefusedError: DEVICE_UNKNOWN, the owner has none of this name; or as `add`.
        """

        def revoked() -> list[Entry]:
            device = self._registry.device(did)
            if device is None or device.owner != owner:
                raise RefusedError(Refusal.DEVICE_UNKNOWN, "you have no such device")
            if device.status is DeviceStatus.REVOKED:
                return []
            return [replace(device, status=DeviceStatus.REVOKED)]

        await self._write(owner, revoked)

    async def grant(
        self,
        owner: str,
        dapp: str,
        until_ms: int | None,
        devices: Sequence[str] | None,
        event_types: Sequence[str] | None,
    ) -> Grant:
        """A Dapp has what the owner's devices send, from now on; in place of what was granted.

        Raises:
            RefusedError: UNKNOWN_DAPP; DEVICE_UNKNOWN, one that is not the owner's; or as `add`.
        """
        now_ms = self._clock.now_ms()
        if self._registry.dapp(dapp) is None:
            raise RefusedError(Refusal.UNKNOWN_DAPP, "this node serves no such Dapp")
        for did in devices or ():
            if not did.startswith("did:"):
                raise RefusedError(Refusal.DEVICE_UNKNOWN, f"you have no device {did[:80]!r}")
        try:
            grant = new_grant(
                self._registry,
                owner,
                dapp,
                now_ms,
                until_ms=until_ms,
                devices=devices,
                event_types=event_types,
            )
        except NotOwnedError as error:
            raise RefusedError(Refusal.DEVICE_UNKNOWN, str(error)) from None

        def granted() -> list[Entry]:
            self.check_owner(owner)
            return [*owner_missing(self._registry, owner, (), now_ms), grant]

        await self._write(owner, granted)
        return grant

    async def withdraw(self, owner: str, dapp: str) -> None:
        """A Dapp has nothing of the owner's devices from now on.

        Raises:
            RefusedError: NOT_GRANTED, it had nothing; or LOG_UNAVAILABLE.
        """
        grant = self._registry.grants(owner).get(dapp)
        if grant is None:
            raise RefusedError(Refusal.NOT_GRANTED, "you have granted this Dapp nothing")

        def removed(writer: RegistryWriter) -> None:
            self._seen(lambda: writer.remove(Kind.GRANT, grant.name))

        await self._run(self._writing, removed, self._writer.by(Author(owner, _DOOR)))

    async def erase(self, owner: str, devices: Sequence[str] | None, name: str) -> list[Erasure]:
        """What the owner's devices (None: all) have sent so far is to go.

        ``name``: a UUID, or empty; see `erasures_of`.

        Raises:
            RefusedError: DEVICE_UNKNOWN, one that is not the owner's, or there is none;
                MALFORMED_REQUEST, OVERLOADED or LOG_UNAVAILABLE.
        """
        found: list[Erasure] = []

        def asked() -> list[Entry]:
            count = self._registry.device_count(owner)
            owned = [one.did for one in self._registry.devices_of(owner, "", count)]
            if unknown := set(devices or ()) - set(owned):
                named = min(unknown)[:80]
                raise RefusedError(Refusal.DEVICE_UNKNOWN, f"you have no device {named!r}")
            if not owned:
                raise RefusedError(Refusal.DEVICE_UNKNOWN, "you have no device")
            dids = owned if devices is None else sorted(set(devices))
            try:
                now_ms = self._clock.now_ms()
                found.extend(erasures_of(self._registry, owner, dids, name, now_ms))
            except EntryError as error:
                raise RefusedError(Refusal.MALFORMED_REQUEST, str(error)) from None
            return [one for one in found if self._registry.erasure(one.name) is None]

        await self._write(owner, asked)
        return found

    def check_owner(self, owner: str) -> None:
        """Whether an owner may change anything.

        Raises:
            RefusedError: OWNER_UNKNOWN.
        """
        if not self._trust.is_open and self._registry.owner(owner) is None:
            raise RefusedError(
                Refusal.OWNER_UNKNOWN,
                "this node takes owners whom its operator has added (`w3b owner add`)",
                owner=owner,
            )

    def close(self) -> None:
        """Finish what is under way."""
        self._writing.shutdown()
        self._verifying.shutdown(cancel_futures=True)

    # --- on threads ------------------------------------------------------------------------------

    async def _run(self, threads: ThreadPoolExecutor, call: Callable[..., _T], argument: Any) -> _T:
        if self._waiting >= limits.REGISTRATIONS_WAITING_MAX:
            raise RefusedError(Refusal.OVERLOADED, "too many registrations at once: try later")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, call, argument)
        finally:
            self._waiting -= 1

    def _owned(self, credential: str) -> Device:
        return owned_device(credential, self._trust.verifier)

    def _added(self, device: Device, credential: str | None) -> list[Entry]:
        self.check_owner(device.owner)
        try:
            if not device_missing(self._registry, device):
                return []
        except TakenError:
            found = self._registry.device(device.did)
            if found is not None and found.owner == device.owner:
                raise RefusedError(
                    Refusal.DEVICE_REVOKED, "it was revoked, which is for good: give it another key"
                ) from None
            raise RefusedError(Refusal.DEVICE_OWNED, "another owner has this device") from None
        if self._registry.device_count(device.owner) >= limits.OWNER_DEVICES_MAX:
            raise RefusedError(
                Refusal.TOO_MANY_DEVICES,
                f"an owner may register {limits.OWNER_DEVICES_MAX} devices here; the operator may "
                "import more",
            )
        if credential is not None:
            self._trust.keep(credential.encode())  # now only: strangers cannot fill the store
        return [*owner_missing(self._registry, device.owner, (), self._clock.now_ms()), device]

    async def _write(self, owner: str, changed: Callable[[], Sequence[Entry]]) -> None:
        """Write what an owner has changed, and see it."""

        def write(writer: RegistryWriter) -> None:
            if entries := changed():
                self._seen(lambda: writer.put_all(entries))

        try:
            await self._run(self._writing, write, self._writer.by(Author(owner, _DOOR)))
        except RefusedError as refused:
            refused.of(owner=owner)
            raise

    def _seen(self, write: Callable[[], int]) -> None:
        try:
            self._registry.wait_for(write())
        except EntryError as error:
            raise RefusedError(Refusal.MALFORMED_REQUEST, str(error)) from None
        except RegistryError as error:
            raise RefusedError(Refusal.LOG_UNAVAILABLE, f"{error}: send it again") from None
