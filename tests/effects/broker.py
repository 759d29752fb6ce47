"""MQTT brokers in processes of their own, to be killed and started again; and who listens to them.

Run as a program (PORT [CERTIFICATE KEY]) it is the broker: amqtt.
"""

import asyncio
import getpass
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.local_components import free_port
from tests.waiting import wait_until


class MqttBroker:
    """A broker on one port of this machine.

    `accounts`: a file of user names and hashed passwords; without it everybody may come in.
    """

    def __init__(self, certificate: Sequence[Path] = (), accounts: Path | None = None) -> None:
        self.port = free_port()
        given = [*map(str, certificate), *([f"--accounts={accounts}"] if accounts else [])]
        self._argv = [sys.executable, "-m", "tests.effects.broker", str(self.port), *given]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Mosquitto:
    """A mosquitto that hangs up at packets over a size, and says what it was told."""

    def __init__(self, folder: Path, packet_bytes_max: int) -> None:
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        self._file.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            f"max_packet_size {packet_bytes_max}\nuser {getpass.getuser()}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", self._file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "mosquitto to listen", 20)

    def _answers(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Listener:
    """A client that takes down all that is published; whoever listens at the port may be on its
    way yet."""

    def __init__(self, port: int, name: str | None = None, password: str | None = None) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="listener")
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _, __, one: self.heard.append((one.topic, one.payload))
        self._client.username_pw_set(name, password)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(60)

    def wait_for(self, messages: int, timeout_s: float = 20) -> None:
        deadline = time.monotonic() + timeout_s
        while len(set(self.heard)) < messages:
            assert time.monotonic() < deadline, f"heard {len(set(self.heard))} of {messages}"
            time.sleep(0.02)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


async def _serve(port: int, certificate: Sequence[str], accounts: str | None) -> None:
    from amqtt.broker import Broker

    listener: dict[str, object] = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    if certificate:
        listener |= {"ssl": True, "certfile": certificate[0], "keyfile": certificate[1]}
    plugins: dict[str, dict[str, object]] = (
        {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": accounts}}
        if accounts
        else {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    )
    broker = Broker({"listeners": {"default": listener}, "plugins": plugins})
    await broker.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("--accounts=")]
    named = [word.partition("=")[2] for word in sys.argv[1:] if word not in words]
    asyncio.run(_serve(int(words[0]), words[1:], named[0] if named else None))
