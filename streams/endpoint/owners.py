"""The HTTP door for owners: they log in, and change what is theirs."""

from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web

from streams import limits
from streams.clock import Clock
from streams.endpoint.admission import Refusal, RefusedError
from streams.endpoint.exchange import bearer, from_base64url, json_answer, read_json
from streams.endpoint.intake import Intake
from streams.endpoint.logins import OwnerLogins
from streams.endpoint.registrations import Registrations
from streams.registry.entries import Device, Grant
from streams.registry.erasures import described
from streams.registry.view import Registry
from streams.wallet.sign_in import VERSION

_NAMED_BYTES: Final = limits.GRANT_DEVICES_MAX * (limits.DEVICE_BYTES_MAX + 3)

_Text = Annotated[str, msgspec.Meta(max_length=limits.CREDENTIAL_BYTES_MAX)]
_Name = Annotated[str, msgspec.Meta(max_length=limits.DEVICE_BYTES_MAX)]
_EventTypes = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=limits.EVENT_TYPE_BYTES_MAX)]],
    msgspec.Meta(min_length=1, max_length=limits.GRANT_EVENT_TYPES_MAX),
]


class _Session(msgspec.Struct, forbid_unknown_fields=True):
    message: _Text
    signature: Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{130}$")]


class _Proof(msgspec.Struct, forbid_unknown_fields=True):
    device: _Text
    challenge: _Text
    signature: _Text


class _Granted(msgspec.Struct, forbid_unknown_fields=True):
    until_ms: Annotated[int, msgspec.Meta(ge=0, le=limits.TIME_MS_MAX)] | None = None
    devices: Annotated[list[_Name], msgspec.Meta(max_length=limits.GRANT_DEVICES_MAX)] | None = None
    event_types: _EventTypes | None = None


class _Erased(msgspec.Struct, forbid_unknown_fields=True):
    devices: Annotated[list[_Name], msgspec.Meta(max_length=limits.GRANT_DEVICES_MAX)] | None = None
    erasure: Annotated[str, msgspec.Meta(max_length=limits.NAME_BYTES_MAX)] = ""


class OwnersApi:
    """Routes of owners; without ``logins`` none of them is found."""

    def __init__(
        self,
        intake: Intake,
        registry: Registry,
        registrations: Registrations | None,
        logins: OwnerLogins | None,
        clock: Clock,
    ) -> None:
        self._intake = intake
        self._registry = registry
        self._owners = (registrations, logins) if registrations and logins else None
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """The paths that it answers."""
        return [
            web.get("/v1/owners/nonce", self._nonce),
            web.post("/v1/owners/session", self._session),
            web.get("/v1/owners/me/devices", self._devices),
            web.post("/v1/owners/me/devices", self._add),
            web.delete("/v1/owners/me/devices/{device}", self._revoke),
            web.get("/v1/owners/me/grants", self._grants),
            web.put("/v1/owners/me/grants/{dapp}", self._grant),
            web.delete("/v1/owners/me/grants/{dapp}", self._withdraw),
            web.get("/v1/owners/me/erasures", self._erasures),
            web.post("/v1/owners/me/erasures", self._erase),
            web.get("/v1/owners/me/erasures/{erasure}", self._erasure),
        ]

    async def _nonce(self, request: web.Request) -> web.Response:
        _registrations, logins = self._at_work()
        self._intake.attempt(request.remote)
        nonce, expires_ms = logins.nonce()
        site = logins.site
        said = {"nonce": nonce, "domain": site.domain, "chain_id": site.chain_id,
                "version": VERSION, "expires_ms": expires_ms}  # fmt: skip
        return json_answer(said)

    async def _session(self, request: web.Request) -> web.Response:
        registrations, logins = self._at_work()
        self._intake.attempt(request.remote)
        asked = await read_json(request, _Session)
        owner, token, expires_ms = logins.log_in(asked.message, bytes.fromhex(asked.signature[2:]))
        registrations.check_owner(owner)  # only who has the account learns it
        return json_answer({"owner": owner, "token": token, "expires_ms": expires_ms})

    async def _devices(self, request: web.Request) -> web.Response:
        _, owner = self._of(request)
        after = request.query.get("after", "")
        shown = self._registry.devices_of(owner, after, limits.OWNER_DEVICES_SHOWN)
        said: dict[str, Any] = {"devices": [self._described(device) for device in shown]}
        if len(shown) == limits.OWNER_DEVICES_SHOWN:
            said["after"] = shown[-1].did
        return json_answer(said)

    async def _add(self, request: web.Request) -> web.Response:
        registrations, owner = self._of(request)
        asked = await read_json(request, _Proof)
        # A device is somebody's only if it agrees: else whoever comes first had others' devices.
        self._intake.prove(asked.device, asked.challenge, from_base64url(asked.signature))
        device = Device(asked.device, owner)
        await registrations.add(device)
        return json_answer(self._described(device), HTTPStatus.CREATED)

    async def _revoke(self, request: web.Request) -> web.Response:
        registrations, owner = self._of(request)
        did = request.match_info["device"]
        await registrations.revoke(owner, did)
        return json_answer({"device": did, "status": "revoked"})

    async def _grants(self, request: web.Request) -> web.Response:
        _, owner = self._of(request)
        grants = self._registry.grants(owner)
        return json_answer({"grants": [_told(grants[dapp]) for dapp in sorted(grants)]})

    async def _grant(self, request: web.Request) -> web.Response:
        registrations, owner = self._of(request)
        asked = await read_json(request, _Granted, _NAMED_BYTES)
        if asked.until_ms is not None and asked.until_ms <= self._clock.now_ms():
            raise RefusedError(Refusal.MALFORMED_REQUEST, "until_ms: is over already")
        dapp = request.match_info["dapp"]
        granted = await registrations.grant(
            owner, dapp, asked.until_ms, asked.devices, asked.event_types
        )
        return json_answer(_told(granted))

    async def _withdraw(self, request: web.Request) -> web.Response:
        registrations, owner = self._of(request)
        dapp = request.match_info["dapp"]
        await registrations.withdraw(owner, dapp)
        return json_answer({"dapp": dapp, "status": "withdrawn"})

    async def _erasures(self, request: web.Request) -> web.Response:
        _, owner = self._of(request)
        told = [described(one) for one in self._registry.erasures() if one.owner == owner]
        return json_answer({"erasures": told})

    async def _erase(self, request: web.Request) -> web.Response:
        registrations, owner = self._of(request)
        asked = await read_json(request, _Erased, _NAMED_BYTES)
        found = await registrations.erase(owner, asked.devices, asked.erasure)
        return json_answer({"erasures": [described(one) for one in found]}, HTTPStatus.ACCEPTED)

    async def _erasure(self, request: web.Request) -> web.Response:
        _, owner = self._of(request)
        erasure = self._registry.erasure(request.match_info["erasure"])
        if erasure is None or erasure.owner != owner:
            raise RefusedError(Refusal.NOT_FOUND, "you have asked for no such erasure")
        return json_answer(described(erasure))

    def _of(self, request: web.Request) -> tuple[Registrations, str]:
        """Whose request it is."""
        registrations, logins = self._at_work()
        return registrations, logins.owner_of(bearer(request, "POST /v1/owners/session"))

    def _at_work(self) -> tuple[Registrations, OwnerLogins]:
        if self._owners is None:
            raise RefusedError(Refusal.NOT_FOUND, "owners do not log in to this node")
        return self._owners

    def _described(self, device: Device) -> dict[str, Any]:
        hold = self._registry.hold(device.did)
        return {
            "device": device.did,
            "status": device.status,
            "held": None if hold is None else hold.fault,
        }


def _told(grant: Grant) -> dict[str, Any]:
    return {
        "dapp": grant.dapp,
        "since_ms": grant.since_ms,
        "until_ms": grant.until_ms,
        "devices": None if grant.devices is None else sorted(grant.devices),
        "event_types": None if grant.event_types is None else sorted(grant.event_types),
    }
