"""An endpoint process's doors, opened and closed together."""

import asyncio
import logging
import ssl
import sys
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from streams import limits
from streams.clock import Clock, SystemClock
from streams.endpoint.answers import AnswerReader
from streams.endpoint.append import Appender
from streams.endpoint.http import HttpApi, refusing
from streams.endpoint.intake import Intake
from streams.endpoint.logins import OwnerLogins
from streams.endpoint.mqtt import websocket
from streams.endpoint.mqtt.door import MqttDoor
from streams.endpoint.mqtt.keeping import KeepingError
from streams.endpoint.mqtt.websocket import WebSockets
from streams.endpoint.operators import Operators, OperatorsApi
from streams.endpoint.owners import OwnersApi
from streams.endpoint.published import Published
from streams.endpoint.queries import Answerer, Queries
from streams.endpoint.rates import Rates
from streams.endpoint.refused import Refusals, RefusalTeller
from streams.endpoint.registrations import Registrations, Trust
from streams.endpoint.rpc.door import GrpcDoor
from streams.endpoint.tls import Tls
from streams.endpoint.tokens import OPERATOR_TYPE, Challenges, Secrets, Tokens
from streams.endpoint.transactions import TransactionalAppender
from streams.registry.view import Registry

log = logging.getLogger(__name__)

_RECURSION_MAX: Final = 1_000  # Python's own default
_LINGER_S: Final = 2.0  # how long a refused body is still read away
_CLOSE_S: Final = 10.0  # how long requests under way may take when the endpoint stops


class Endpoint:
    """The service endpoint: opens its doors on `start`, finishes what is under way on `stop`.

    Run it on the event loop that it is to live on (uvloop for speed).
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        registry: Registry,
        *,
        host: str,
        port: int,
        mqtt_port: int | None = None,
        grpc_port: int | None = None,
        grpc_mutual_port: int | None = None,
        token_secrets: Secrets,
        trust: Trust | None = None,
        tls: Tls | None = None,
        instance: str = "0",
        device_per_s: int | None = None,
        owner_per_s: int | None = None,
        address_per_s: int | None = None,
        published: Published | None = None,
        answerer: Answerer | None = None,
        operators: Operators | None = None,
        clock: Clock | None = None,
    ) -> None:
        """An endpoint that is not open yet.

        Args:
            kafka: how clients reach Kafka (confluent-kafka's configuration keys).
            registry: the process's view; started and closed by whoever made it.
            host: the address to listen on.
            port: the port to listen on; 0 for any, see `port`.
            mqtt_port: the port of the MQTT door on the same address; 0 for any, None for no door.
            grpc_port: that of the gRPC door, likewise.
            grpc_mutual_port: where that door demands a certificate (with ``tls``), likewise.
            token_secrets: those that a node's endpoint processes share; asked again whenever used.
            trust: what it believes of owners; without it, they register nothing here.
            tls: what all doors show; None: they are without TLS.
            instance: this process's name among the node's endpoints, the same after a restart.
            device_per_s: messages that it takes of one device; None: no limit.
            owner_per_s: of all of an owner's devices together.
            address_per_s: challenges, log-ins and registrations that it takes from one address.
            published: JSON documents by path, each made when it is asked for.
            answerer: who answers saved queries; None: nobody.
            operators: who carries operators' calls out; None: nobody.
            clock: the system's if none is given.
        """
        self._kafka = kafka
        self._registry = registry
        self._host, self._port = host, port
        self._mqtt_port = mqtt_port
        self._grpc_port = grpc_port
        self._grpc_mutual_port = grpc_mutual_port
        self._token_secrets = token_secrets
        self._trust = trust
        self._published = published or {}
        self._tls = tls
        self._instance = instance
        self._answerer = answerer
        self._operators = operators
        self._operators_api: OperatorsApi | None = None
        self._clock = clock or SystemClock()
        self._registrations: Registrations | None = None
        self._rates = Rates(self._clock, device_per_s, owner_per_s, address_per_s)
        self._intake: Intake | None = None
        self._teller: RefusalTeller | None = None
        self._queries: Queries | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._mqtt: MqttDoor | None = None
        self._mqtt_port_open = 0
        self._grpc: GrpcDoor | None = None
        self._grpc_ports_open = (0, 0)

    @property
    def port(self) -> int:
        """The port that the open HTTP door listens on."""
        if self._runner is None:
            raise RuntimeError("the endpoint is not open")
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def mqtt_port(self) -> int:
        """The port that the open MQTT door listens on."""
        if self._mqtt is None:
            raise RuntimeError("the MQTT door is not open")
        return self._mqtt_port_open

    @property
    def grpc_port(self) -> int:
        """The port that the open gRPC door listens on."""
        if self._grpc is None:
            raise RuntimeError("the gRPC door is not open")
        return self._grpc_ports_open[0]

    @property
    def grpc_mutual_port(self) -> int:
        """The port at which the open gRPC door demands a certificate."""
        if self._grpc is None:
            raise RuntimeError("the gRPC door is not open")
        return self._grpc_ports_open[1]

    async def start(self) -> None:
        """Open the doors.

        Raises:
            KeyFileError: the token secrets cannot be used.
            TlsError: a certificate or key cannot be used.
            OSError: the address is taken or not ours.
            KeepingError: the sessions of MQTT clients could not be read.
        """
        # Deeply nested JSON has to meet this limit before the end of the C stack; some libraries
        # raise it a hundredfold when they are imported.
        sys.setrecursionlimit(min(sys.getrecursionlimit(), _RECURSION_MAX))
        self._token_secrets()  # that they cannot be had is known before the first request
        tls = None if self._tls is None else self._tls.context()
        appender, refusals = Appender(self._kafka), Refusals(self._clock)
        self._teller = RefusalTeller(self._kafka, refusals)
        self._intake = Intake(
            self._registry,
            Challenges(self._token_secrets, self._clock),
            Tokens(self._token_secrets, self._clock),
            appender,
            TransactionalAppender(self._kafka, f"endpoint.{self._instance}", self._clock),
            AnswerReader(self._kafka),
            self._rates,
            self._clock,
            refusals,
        )
        logins: OwnerLogins | None = None
        if self._trust is not None:
            self._registrations = Registrations(
                self._kafka, self._registry, self._trust, self._clock, self._instance
            )
            if self._trust.site is not None:
                logins = OwnerLogins(self._token_secrets, self._trust.site, self._clock)
        owners = OwnersApi(self._intake, self._registry, self._registrations, logins, self._clock)
        self._queries = Queries(self._registry, self._answerer)
        self._operators_api = OperatorsApi(
            self._operators, Tokens(self._token_secrets, self._clock, OPERATOR_TYPE)
        )
        api = HttpApi(
            self._intake,
            self._registry,
            self._registrations,
            owners,
            self._operators_api,
            self._clock,
            self._published,
            self._queries,
        )
        app = api.application()
        if self._mqtt_port is not None:
            self._mqtt = MqttDoor(
                self._kafka, self._intake, appender, self._registry, self._clock, self._instance
            )
            app.router.add_get(websocket.PATH, refusing(WebSockets(self._mqtt).take, refusals))
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=limits.KEEP_ALIVE_S,  # counts from the connection on
            shutdown_timeout=_CLOSE_S,
            lingering_time=_LINGER_S,
        )
        await self._runner.setup()
        try:
            await self._open(self._runner, self._intake, tls)
            self._teller.start()
        except (OSError, KeepingError):
            await self.stop()
            raise
        log.info("HTTP door open on %s:%d", self._host, self.port)

    async def _open(
        self, runner: web.AppRunner, intake: Intake, tls: ssl.SSLContext | None
    ) -> None:
        if self._mqtt is not None and self._mqtt_port is not None:
            await self._mqtt.start()
            self._mqtt_port_open = await self._mqtt.listen(self._host, self._mqtt_port, tls)
        if self._grpc_port is not None and self._operators_api is not None:
            self._grpc = GrpcDoor(intake, self._operators_api, self._registry, self._clock)
            self._grpc_ports_open = await self._grpc.listen(
                self._host, self._grpc_port, self._tls, self._grpc_mutual_port
            )
        if tls is not None and self._tls is not None:
            self._renewing = asyncio.create_task(self._tls.keep_renewing(tls))
        site = web.TCPSite(runner, self._host, self._port, ssl_context=tls, backlog=1024)
        await site.start()

    async def stop(self) -> None:
        """Take no more, finish what is under way, close."""
        if self._renewing is not None:
            self._renewing.cancel()
        if self._mqtt is not None:
            await self._mqtt.stop()
        if self._grpc is not None:
            await self._grpc.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._operators_api is not None:
            self._operators_api.close()
        if self._queries is not None:
            self._queries.close()
        if self._intake is not None:
            await self._intake.close()
        if self._registrations is not None:
            await asyncio.to_thread(self._registrations.close)
        if self._teller is not None:
            await self._teller.stop()
        self._runner = self._intake = self._mqtt = self._grpc = None
        self._registrations = self._queries = None
