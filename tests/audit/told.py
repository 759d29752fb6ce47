"""What the audit log on Kafka has."""

from streams.audit.record import AuditError, Record, decode
from streams.delivery.replay import replay
from streams.topics import AUDIT


def told(kafka: str, **fields: str) -> list[Record]:
    """The committed records of which these fields are so, oldest first."""
    found = []
    for batch in replay({"bootstrap.servers": kafka}, AUDIT, 0):
        for one in batch:
            try:
                record = decode(one.value() or b"")
            except AuditError:
                continue  # another test's
            if all(getattr(record, name) == value for name, value in fields.items()):
                found.append(record)
    return found
