"""What programs keep: keyed state, and files."""

from dataclasses import asdict
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams import topics
from streams.clock import SystemClock
from streams.filesystem.store import FileStore
from streams.wallet.keys import KeyFileError
from topologies.commands import CommandError
from topologies.config import Settings
from topologies.registering import Desk, UnknownError, known_dapp

ASIDE_HOURS: Final = 7 * 24
_ASIDE_HOURS_MIN: Final = 1  # longer than any transaction is open
_HOUR_S: Final = 3_600
_ANSWER_S: Final = 10.0


def get_state(desk: Desk, _: Settings, dapp: str, key: str) -> dict[str, Any]:
    """A key's value as it was committed last, of each partition that has one.

    ``key``: text, or bytes as 0x and hex digits. Reads the Dapp's changelog: a million keys take
    seconds.

    Raises:
        UnknownError: there is no such Dapp, or no such key.
        CommandError: no key, or Kafka does not answer.
    """
    from streams.execution.restoring import committed_values  # heavy: only whoever asks pays it

    partitions = known_dapp(desk, dapp).manifest.dapp.partitions
    try:
        found = committed_values(desk.kafka, dapp, partitions, _key(key))
    except (KafkaException, TimeoutError) as error:
        raise CommandError(f"the state of {dapp} cannot be read: {error}") from error
    if not found:
        raise UnknownError(f"Dapp {dapp} has no key {key!r}")
    return {
        "values": [
            {"partition": at, "key": key, "value": _shown(value), "hex": value.hex()}
            for at, value in found.items()
        ]
    }


def collect_files(
    desk: Desk, settings: Settings, aside_hours: int = 0, dry_run: bool = False
) -> dict[str, Any]:
    """Put aside files that no program's state names; remove what was put aside long enough ago.

    Args:
        desk: the registry.
        settings: where the files are.
        aside_hours: how long; 0: a week.
        dry_run: only say what would be done.

    Raises:
        CommandError: too short a time, or files or Kafka cannot be read.
    """
    from streams.execution.files import KEPT, files_of, named_blobs
    from topologies.programs import compiled_modules

    hours = aside_hours or ASIDE_HOURS
    if hours < _ASIDE_HOURS_MIN:
        raise CommandError(f"aside_hours has to be {_ASIDE_HOURS_MIN} or more")
    store, now_s = FileStore(settings.files_url), SystemClock().now_ms() / 1000
    collected: list[dict[str, Any]] = []
    unknown: list[str] = []
    try:
        for dapp in store.within(KEPT).folders():
            partitions = _partitions(desk, dapp)
            if not partitions:
                unknown.append(dapp)
                continue
            done = files_of(store, dapp).collect(
                named_blobs(desk.kafka, dapp, partitions), now_s, hours * _HOUR_S, try_only=dry_run
            )
            collected.append({"dapp": dapp, **asdict(done)})
        if not dry_run:
            compiled_modules(settings).forget(now_s - hours * _HOUR_S)
    except (OSError, KafkaException, KeyFileError) as error:  # TimeoutError is an OSError
        raise CommandError(f"the files cannot be collected: {error}") from error
    return {"collected": collected, "unknown": unknown}


def _partitions(desk: Desk, dapp: str) -> int:
    """How many its changelog has; of a Dapp that was removed, too."""
    found = AdminClient(desk.kafka).list_topics(timeout=_ANSWER_S).topics.get(topics.state(dapp))
    return len(found.partitions) if found is not None else 0


def _key(text: str) -> bytes:
    if not text.startswith("0x"):
        return text.encode()
    try:
        return bytes.fromhex(text[2:])
    except ValueError:
        raise CommandError(
            f"{text!r} is not 0x and pairs of hex digits; give a key that begins with 0x as "
            f"0x{text.encode().hex()}"
        ) from None


def _shown(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    return text if text.isprintable() else f"0x{value.hex()}"
