"""Publishing to an MQTT broker, QoS 1: each message until the broker has acknowledged it.

Source: MQTT 3.1.1 (OASIS). Sent again after a broken connection, and by a successor after a
crash, a message may arrive twice: that is what QoS 1 promises.
"""

import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from streams import limits
from streams.effects.answers import Refusal
from streams.effects.effect import Effect

LABELS: Final = frozenset({"mqtt"})
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_KEEP_ALIVE_S: Final = 30
_RECONNECT_S_MAX: Final = 10
_TOPIC_BYTES_MAX: Final = 65_535  # its length is 16 bits
_LOOK_S: Final = 0.5


class Closed(RuntimeError):
    """The publisher was closed while messages were under way."""


class MqttPublisher:
    """An `Outlet` to one broker; connects by itself, and again.

    Args:
        url: ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for TLS.
        ca_location: the certificates that sign the broker's; by default the system's.

    Attributes:
        trouble: why messages wait, while they do; without secrets.
    """

    def __init__(self, url: str, ca_location: Path | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None, "the settings check it"
        self.trouble: str | None = "connecting to the MQTT broker"
        self._host = parts.hostname
        self._closed = False
        self._acknowledged: set[int] = set()
        self._news = threading.Condition()
        # A new id each time: a broker ends the older of two connections that share one.
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"w3b-{secrets.token_hex(8)}")
        if parts.username is not None:
            password = unquote(parts.password) if parts.password is not None else None
            self._client.username_pw_set(unquote(parts.username), password)
        if parts.scheme == "mqtts":
            self._client.tls_set(str(ca_location) if ca_location is not None else None)
        self._client.max_inflight_messages_set(limits.MQTT_IN_FLIGHT_MAX)
        self._client.reconnect_delay_set(1, _RECONNECT_S_MAX)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        port = parts.port or _PORTS[parts.scheme]
        self._client.connect_async(self._host, port, _KEEP_ALIVE_S)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect; `carry_out` raises."""
        self._closed = True
        with self._news:
            self._news.notify_all()
        self._client.disconnect()
        self._client.loop_stop()

    def carry_out(self, effects: Sequence[Effect]) -> list[Refusal]:
        """Publish, and wait until the broker has acknowledged all of it.

        Raises:
            Closed: it was closed meanwhile.
        """
        refused = []
        sent: set[int] = set()
        for one in effects:
            topic, wrong = _topic(one)
            if wrong:
                refused.append(Refusal(one, wrong))
            else:
                # Without a connection it waits in the client, which sends it when there is one.
                sent.add(self._client.publish(topic, one.record.b, qos=1).mid)
        with self._news:
            while not sent <= self._acknowledged:
                if self._closed:
                    raise Closed("closed before the broker had acknowledged everything")
                self._news.wait(_LOOK_S)
            self._acknowledged -= sent
        return refused

    # --- the client's thread ----------------------------------------------------------------------

    def _on_publish(self, client: Client, data: Any, mid: int, *_: Any) -> None:
        with self._news:
            self._acknowledged.add(mid)
            self._news.notify_all()

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: Any, *_: Any) -> None:
        refused = reason.is_failure
        self.trouble = f"the MQTT broker at {self._host} refuses: {reason}" if refused else None

    def _on_connect_fail(self, client: Client, data: Any) -> None:
        self.trouble = f"no answer from the MQTT broker at {self._host}"

    def _on_disconnect(self, client: Client, data: Any, flags: Any, reason: Any, *_: Any) -> None:
        if self.trouble is None:  # otherwise the broker has said why
            self.trouble = f"the MQTT broker at {self._host} has gone: {reason}"


def _topic(effect: Effect) -> tuple[str, str]:
    """The topic's name, and what is wrong with the effect if anything is."""
    try:
        topic = effect.record.a.decode()
    except UnicodeDecodeError:
        return "", "the topic is not UTF-8"
    if not topic or len(effect.record.a) > _TOPIC_BYTES_MAX or set(topic) & set("+#\0"):
        return "", "a topic has 1 to 65,535 bytes without + # or NUL"
    if len(effect.record.b) > limits.MQTT_MESSAGE_BYTES_MAX:
        return "", f"a message may have {limits.MQTT_MESSAGE_BYTES_MAX} bytes"
    return topic, ""
