"""devices → HTTP, MQTT, gRPC → messages.<dapp>."""

import orjson
from mode import Service

from streams.clock import Clock
from streams.endpoint.logins import Site
from streams.endpoint.published import Published
from streams.endpoint.registrations import Trust
from streams.endpoint.server import Endpoint
from streams.endpoint.tls import Tls
from streams.wallet.credentials.status import STATUS_PATH
from streams.wallet.did_web import WELL_KNOWN
from topologies.believing import CREDENTIALS, verifier
from topologies.config import Settings
from topologies.identity import node_document, node_id
from topologies.issued import status_list
from topologies.operating.calls import Operating
from topologies.parts.answering import answerer
from topologies.unlocking import key_store
from topologies.wiring import Wiring


class Receiving(Service):  # type: ignore[misc]
    """The endpoint's doors."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        settings = wiring.settings
        assert settings.endpoint_port is not None
        self.trouble: str | None = "starting"
        store = key_store(settings)
        self._endpoint = Endpoint(
            wiring.kafka,
            wiring.registry,
            host=settings.endpoint_host,
            port=settings.endpoint_port,
            mqtt_port=settings.endpoint_mqtt_port,
            grpc_port=settings.endpoint_grpc_port,
            grpc_mutual_port=settings.endpoint_grpc_mutual_port,
            token_secrets=lambda: store.secrets("tokens"),
            trust=Trust(
                verifier(settings, wiring.clock),
                wiring.files.within(CREDENTIALS).put,
                settings.open_registration,
                Site(settings.login_site, settings.login_chain_id),
            ),
            tls=tls_of(settings),
            instance=node_id(settings),
            published=published(settings, wiring.clock),
            device_per_s=settings.device_messages_per_s,
            owner_per_s=settings.owner_messages_per_s,
            address_per_s=settings.address_logins_per_s,
            answerer=answerer(settings),
            operators=Operating(settings, wiring.kafka, wiring.registry),
        )

    async def on_start(self) -> None:
        """Open the doors."""
        await self._endpoint.start()
        self.trouble = None

    async def on_stop(self) -> None:
        """Finish what is under way, close."""
        await self._endpoint.stop()


def tls_of(settings: Settings) -> Tls | None:
    """What the doors show, if they are to have TLS."""
    certificate, key = settings.endpoint_tls_certificate, settings.endpoint_tls_key
    if certificate is None or key is None:
        return None
    return Tls(certificate, key, settings.endpoint_tls_client_ca)


def published(settings: Settings, clock: Clock) -> Published:
    """What a node that has a name on the web says of itself there."""
    if settings.did_web_host is None:
        return {}
    return {
        WELL_KNOWN: lambda: orjson.dumps(node_document(settings).to_json()),
        STATUS_PATH: status_list(settings, clock),
    }
