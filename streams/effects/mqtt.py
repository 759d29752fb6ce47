"""Publishing to an MQTT broker, QoS 1: each message until the broker has acknowledged it.

Source: MQTT 3.1.1 (OASIS). Sent again after a broken connection, and by a successor after a
crash, a message may arrive twice: that is what QoS 1 promises.

MQTT 3.1.1 has no word for "this message never": a broker that does not want one (its access list,
its size limit) hangs up, and does so each time that the message comes again. With others under way
nobody can tell which one it was, as acknowledgements that were due are lost with the connection.
So after a hang-up those first in line are sent alone, and the one at which the broker hangs up
again and again is refused.
"""

import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from streams import limits
from streams.delivery.effects import Effect
from streams.effects.answers import Refusal

LABELS: Final = frozenset({"mqtt"})
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_KEEP_ALIVE_S: Final = 30
_RECONNECT_S_MAX: Final = 10
_TOPIC_BYTES_MAX: Final = 65_535  # its length is 16 bits
_LOOK_S: Final = 0.5
_HUNG_UP_WAIT_S: Final = 0.5  # before a message that it hung up at is sent again
_HUNG_UP: Final = (
    "the MQTT broker took the connection and hung up at this message "
    f"{limits.MQTT_HANG_UPS_MAX} times in a row, sent alone: look at its access list and its "
    "limits of size"
)
_SILENCE: Final = "Keep alive timeout"  # the client's own reason: nobody hung up


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
        self._parts = parts
        self._ca_location = ca_location
        self._closed = False
        self._acknowledged: set[int] = set()
        self._is_accepted = False  # by the broker, on the connection there is
        self._is_sending = False
        self._hung_up = False  # while we were sending
        self._was_away = False  # it could not be reached, or refused us, since it last hung up
        self._news = threading.Condition()
        self._replacing = threading.Lock()
        self._client = self._connecting()

    def close(self) -> None:
        """Disconnect; `carry_out` raises."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        with self._replacing:
            _end(self._client)

    def carry_out(self, effects: Sequence[Effect]) -> list[Refusal]:
        """Publish, and wait until the broker has acknowledged all of it but what is refused.

        Raises:
            Closed: it was closed meanwhile.
        """
        refused = [Refusal(one, wrong) for one in effects if (wrong := _wrong(one))]
        left = [one for one in effects if not _wrong(one)]
        while left:
            left = self._sent(left)
            # It hung up at one of those that were under way.
            for _ in range(min(len(left), limits.MQTT_IN_FLIGHT_MAX)):
                first, *left = left
                if self._is_hung_up_at(first):
                    refused.append(Refusal(first, _HUNG_UP))
                    break
        return refused

    def _is_hung_up_at(self, effect: Effect) -> bool:
        """Send it alone until it is acknowledged, or the broker has hung up at it too often."""
        hang_ups = 0
        while self._sent([effect]):
            hang_ups = 1 if self._was_away else hang_ups + 1
            self._was_away = False
            if hang_ups == limits.MQTT_HANG_UPS_MAX:
                return True
            with self._news:
                self._news.wait_for(lambda: self._closed, _HUNG_UP_WAIT_S)
        return False

    def _sent(self, effects: Sequence[Effect]) -> list[Effect]:
        """Publish; those that were not acknowledged when the broker hung up, or none of them."""
        with self._news:
            self._hung_up, self._is_sending = False, True
        # Without a connection they wait in the client, which sends them when there is one.
        sent = {
            self._client.publish(one.record.a.decode(), one.record.b, qos=1).mid: one
            for one in effects
        }
        with self._news:
            while not sent.keys() <= self._acknowledged and not self._hung_up:
                if self._closed:
                    raise Closed("closed before the broker had acknowledged everything")
                self._news.wait(_LOOK_S)
            self._is_sending = False
        left = [one for mid, one in sent.items() if mid not in self._acknowledged]
        if left:
            self._replace()
        else:
            self._acknowledged -= sent.keys()
        return left

    def _replace(self) -> None:
        """A new client, since the one that there is would send all again."""
        with self._replacing:
            if self._closed:
                raise Closed("closed before the broker had acknowledged everything")
            _end(self._client)
            self._acknowledged.clear()
            self._client = self._connecting()

    def _connecting(self) -> Client:
        parts = self._parts
        # A new id each time: a broker ends the older of two connections that share one.
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"w3b-{secrets.token_hex(8)}")
        if parts.username is not None:
            password = unquote(parts.password) if parts.password is not None else None
            client.username_pw_set(unquote(parts.username), password)
        if parts.scheme == "mqtts":
            client.tls_set(str(self._ca_location) if self._ca_location is not None else None)
        client.max_inflight_messages_set(limits.MQTT_IN_FLIGHT_MAX)
        client.reconnect_delay_set(1, _RECONNECT_S_MAX)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._is_accepted = False
        client.connect_async(self._host, parts.port or _PORTS[parts.scheme], _KEEP_ALIVE_S)
        client.loop_start()
        return client

    # --- the client's thread ----------------------------------------------------------------------

    def _on_publish(self, client: Client, data: Any, mid: int, *_: Any) -> None:
        with self._news:
            self._acknowledged.add(mid)
            self._news.notify_all()

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: Any, *_: Any) -> None:
        refused = reason.is_failure
        self._is_accepted = not refused
        self._was_away |= refused
        self.trouble = f"the MQTT broker at {self._host} refuses: {reason}" if refused else None

    def _on_connect_fail(self, client: Client, data: Any) -> None:
        self.trouble = f"no answer from the MQTT broker at {self._host}"
        self._was_away = True

    def _on_disconnect(
        self, client: Client, data: Any, flags: Any, reason: ReasonCode, *_: Any
    ) -> None:
        if self.trouble is None:  # otherwise the broker has said why
            self.trouble = f"the MQTT broker at {self._host} has gone: {reason}"
        with self._news:
            if self._is_sending and self._is_accepted and reason != _SILENCE:
                self._hung_up = True
                client.loop_stop()  # it is replaced, and need not connect again
            self._is_accepted = False
            self._news.notify_all()


def _end(client: Client) -> None:
    client.on_disconnect = None  # we know
    client.disconnect()
    client.loop_stop()


def _wrong(effect: Effect) -> str:
    """What is wrong with the effect; empty where nothing is."""
    try:
        topic = effect.record.a.decode()
    except UnicodeDecodeError:
        return "the topic is not UTF-8"
    if not topic or len(effect.record.a) > _TOPIC_BYTES_MAX or set(topic) & set("+#\0"):
        return "a topic has 1 to 65,535 bytes without + # or NUL"
    if len(effect.record.b) > limits.MQTT_MESSAGE_BYTES_MAX:
        return f"a message may have {limits.MQTT_MESSAGE_BYTES_MAX} bytes"
    return ""
