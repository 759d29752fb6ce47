"""The operator's calls as the endpoint's doors serve them (`streams.endpoint.operators`)."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from streams.audit.record import Author
from streams.delivery.admin import TopicError
from streams.endpoint.admission import Refusal, RefusedError
from streams.registry.adding import NotOwnedError, TakenError
from streams.registry.entries import EntryError
from streams.registry.view import Registry, RegistryError
from streams.registry.writer import RegistryWriter
from topologies.commands import CommandError
from topologies.config import Settings
from topologies.identity import node_id
from topologies.operating import (
    auditing,
    dapps,
    deploying,
    erasing,
    keeping,
    reading,
    senders,
    storing,
    wallet,
)
from topologies.registering import Desk, UnknownError

_Function = Callable[..., dict[str, Any]]

CHANGES: Final[Mapping[str, _Function]] = {
    "AddDapp": deploying.add_dapp,
    "PauseDapp": dapps.pause,
    "ResumeDapp": dapps.resume,
    "RollBackDapp": dapps.roll_back,
    "RemoveDapp": dapps.remove,
    "AllowKey": dapps.allow_key,
    "DenyKey": dapps.deny_key,
    "AddOwner": senders.add_owner,
    "GrantDapp": senders.grant_dapp,
    "WithdrawGrant": senders.withdraw_grant,
    "AddDevice": senders.add_device,
    "RevokeDevice": senders.revoke_device,
    "EraseDevice": erasing.erase_device,
    "EraseOwner": erasing.erase_owner,
    "AddPublisher": senders.add_publisher,
    "RevokePublisher": senders.revoke_publisher,
    "SetRetention": storing.set_retention,
    "SaveQuery": storing.save_query,
    "ForgetQuery": storing.forget_query,
}
READS: Final[Mapping[str, _Function]] = {
    "ListDapps": dapps.list_dapps,
    "GetDapp": dapps.get_dapp,
    "ListOwners": senders.list_owners,
    "ListGrants": senders.list_grants,
    "ListDevices": senders.list_devices,
    "ListPublishers": senders.list_publishers,
    "ListErasures": erasing.list_erasures,
    "GetErasure": erasing.get_erasure,
    "GetStatus": reading.get_status,
    "Query": reading.query,
    "GetProof": reading.get_proof,
    "ListAudit": auditing.list_audit,
    "GetState": keeping.get_state,
    "GetRetention": storing.get_retention,
    "ListQueries": storing.list_queries,
    "GetRights": storing.get_rights,
    "ShowWallet": wallet.show_wallet,
}
# What takes its time and changes no entry: nobody else's change waits for it.
WORKS: Final[Mapping[str, _Function]] = {
    "CollectFiles": keeping.collect_files,
    "RebuildRows": storing.rebuild,
}


class Operating:
    """Carries calls out, from several threads."""

    def __init__(self, settings: Settings, kafka: dict[str, Any], registry: Registry) -> None:
        """``registry``: the process's own view, which is followed already."""
        self._settings = settings
        writer = RegistryWriter(
            kafka, registry, transactional_id=f"registry.operators.{node_id(settings)}"
        )
        self._desk = Desk(registry, writer, kafka)
        self._changing = threading.Lock()  # of two that meet, the second sees what the first wrote

    def call(self, author: Author, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a call of an operator's answers.

        Raises:
            RefusedError: NOT_FOUND, NOT_POSSIBLE, MALFORMED_REQUEST, QUERY_REFUSED,
                LOG_UNAVAILABLE or DATABASE_UNAVAILABLE.
        """
        from streams.database.query import QueryError
        from streams.database.server import DatabaseError
        from topologies.proving import NoProof

        try:
            desk = replace(self._desk, writer=self._desk.writer.by(author))
            if work := READS.get(name) or WORKS.get(name):
                return work(desk, self._settings, **asked)
            with self._changing:
                return CHANGES[name](desk, self._settings, **asked)
        except (UnknownError, NoProof) as error:
            raise RefusedError(Refusal.NOT_FOUND, str(error)) from None
        except (CommandError, TakenError, NotOwnedError) as error:
            raise RefusedError(Refusal.NOT_POSSIBLE, str(error)) from None
        except EntryError as error:
            raise RefusedError(Refusal.MALFORMED_REQUEST, str(error)) from None
        except QueryError as error:
            raise RefusedError(Refusal.QUERY_REFUSED, str(error)) from None
        except (RegistryError, TopicError) as error:
            raise RefusedError(Refusal.LOG_UNAVAILABLE, str(error)) from None
        except DatabaseError as error:
            raise RefusedError(Refusal.DATABASE_UNAVAILABLE, str(error)) from None
