"""Publishing to a real broker: acknowledged, over its death, refused, encrypted."""

import gc
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams import limits
from streams.effects.mqtt import Closed, MqttPublisher
from tests.certificate import self_signed
from tests.effects.broker import Listener, Mosquitto, MqttBroker
from tests.effects.effects import effect

pytestmark = pytest.mark.services


@pytest.fixture
def broker() -> Iterator[MqttBroker]:
    made = MqttBroker()
    made.start()
    yield made
    made.kill()


def messages(count: int, first: int = 0) -> list[tuple[str, bytes]]:
    return [(f"cars/{number % 7}", b"%d" % number) for number in range(first, first + count)]


def test_returns_once_the_broker_has_all_of_it(broker: MqttBroker) -> None:
    listener, publisher = Listener(broker.port), MqttPublisher(broker.url)
    sent = messages(500)
    refused = publisher.carry_out([effect("mqtt", t.encode(), body) for t, body in sent])
    assert refused == []
    assert publisher.trouble is None
    listener.wait_for(500)
    assert sorted(listener.heard) == sorted(sent)
    publisher.close()
    listener.close()


def test_what_no_broker_takes_is_refused_and_the_rest_published(broker: MqttBroker) -> None:
    publisher = MqttPublisher(broker.url)
    large = bytes(limits.MQTT_MESSAGE_BYTES_MAX + 1)
    effects = [
        effect("mqtt", topic, body)
        for topic, body in [
            (b"", b""), (b"cars/#", b""), (b"\xff", b""), (b"t", large), (b"fine", b"body"),
        ]
    ]  # fmt: skip
    refused = publisher.carry_out(effects)
    assert [one.effect for one in refused] == effects[:4]
    assert "262144 bytes" in refused[3].detail
    publisher.close()


def test_a_broker_that_dies_gets_them_again(broker: MqttBroker) -> None:
    publisher = MqttPublisher(broker.url)
    publisher.carry_out([effect("mqtt", b"before", b"")])
    broker.kill()
    sent = messages(300)
    work = threading.Thread(
        target=publisher.carry_out, args=([effect("mqtt", t.encode(), b) for t, b in sent],)
    )
    work.start()
    while publisher.trouble is None:
        time.sleep(0.02)
    assert work.is_alive()
    broker.start()
    listener = Listener(broker.port)
    work.join(30)
    assert not work.is_alive()
    assert publisher.trouble is None
    publisher.carry_out([effect("mqtt", b"after", b"")])
    listener.wait_for(1)
    publisher.close()
    listener.close()


@pytest.mark.skipif(
    shutil.which("mosquitto") is None, reason="no mosquitto here (Debian has one in its package)"
)
def test_what_the_broker_hangs_up_at_is_refused_and_nothing_waits_for_it(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, packet_bytes_max=2_000)
    broker.start()
    publisher, listener = MqttPublisher(broker.url), Listener(broker.port)
    sent = [(topic, body) for topic, body in messages(300)]
    effects = [effect("mqtt", topic.encode(), body) for topic, body in sent]
    wrong = effect("mqtt", b"cars/1", bytes(3_000))
    refused = publisher.carry_out([*effects[:100], wrong, *effects[100:], wrong])
    assert [one.effect for one in refused] == [wrong, wrong]
    assert "hung up at this message 3 times" in refused[0].detail
    listener.wait_for(300)
    assert list(dict.fromkeys(listener.heard)) == sent  # in their order, some of them twice
    publisher.close()
    listener.close()
    broker.kill()


def test_says_why_it_waits_and_can_be_closed(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text("")
    broker = MqttBroker(accounts=accounts)
    broker.start()
    publisher = MqttPublisher(broker.url.replace("//", "//node:wrong@"))
    failed: list[BaseException] = []

    def publish() -> None:
        try:
            publisher.carry_out([effect("mqtt", b"t", b"")])
        except Closed as error:
            failed.append(error)

    work = threading.Thread(target=publish)
    work.start()
    deadline = time.monotonic() + 10
    while "refuses" not in str(publisher.trouble):
        assert time.monotonic() < deadline, publisher.trouble
        time.sleep(0.02)
    assert "wrong" not in str(publisher.trouble)
    publisher.close()
    work.join(5)
    assert len(failed) == 1
    broker.kill()


def test_over_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    broker = MqttBroker((certificate, key))
    broker.start()
    url = broker.url.replace("mqtt:", "mqtts:")
    publisher = MqttPublisher(url, certificate)
    assert publisher.carry_out([effect("mqtt", b"t", b"secret")]) == []
    publisher.close()
    broker.kill()


# The client leaves the socket of a failed handshake to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_whose_certificate_nobody_vouches_for_is_not_spoken_to(tmp_path: Path) -> None:
    broker = MqttBroker(self_signed(tmp_path))
    broker.start()
    publisher = MqttPublisher(broker.url.replace("mqtt:", "mqtts:"))
    deadline = time.monotonic() + 10
    while "no answer" not in str(publisher.trouble):
        assert time.monotonic() < deadline, publisher.trouble
        time.sleep(0.02)
    publisher.close()
    gc.collect()
    broker.kill()
