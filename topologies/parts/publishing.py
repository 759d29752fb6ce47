"""effects.<dapp> → an MQTT broker."""

from collections.abc import Sequence

from streams.effects import mqtt
from streams.effects.worker import EffectWorker
from topologies.stage import Emit, InThreads
from topologies.wiring import Wiring


class Publishing(InThreads):
    """Publishes what programs send by MQTT."""

    def __init__(self, wiring: Wiring, emit: Emit) -> None:
        settings = wiring.settings
        assert settings.mqtt_url is not None
        url = settings.mqtt_url.get_secret_value()
        self._publisher = mqtt.MqttPublisher(url, settings.mqtt_ca_location)
        self._worker = EffectWorker(
            wiring.kafka,
            "publish",
            mqtt.LABELS,
            wiring.dapps(),
            self._publisher,
            wiring.clock,
            emit,
        )
        super().__init__(self._worker)

    @property
    def trouble(self) -> str | None:
        """Why messages wait, while they do."""
        return self._publisher.trouble

    async def subscribe(self, dapps: Sequence[str]) -> None:
        """Read these Dapps' effects from now on."""
        self._worker.subscribe(dapps)
