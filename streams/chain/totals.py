"""What a sender has done on its chain so far, from its journal; also while the sender runs."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Totals:
    """What a sender has done on its chain so far."""

    queued: int = 0
    in_flight: int = 0
    gas_used: int = 0
    deploy_gas: int = 0
    reverted: int = 0
    certified: dict[str, int] = field(default_factory=dict)  # epochs on chain, a Dapp
    submit_gas: dict[str, int] = field(default_factory=dict)
    refused: tuple[str, ...] = ()  # reasons, of those that wait because of them


def totals(path: Path) -> Totals:
    """What the journal at ``path`` says, also while a sender writes it; nothing if it is absent."""
    if not path.exists():
        return Totals()
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        submits = db.execute(
            "SELECT dapp, sum(succeeded), sum(gas_used) FROM entries "
            "WHERE kind = 'submit' AND status != 'pending' GROUP BY dapp"
        ).fetchall()
        gas, deploy_gas, reverted, in_flight = db.execute(
            "SELECT coalesce(sum(gas_used), 0), "
            "coalesce(sum(CASE WHEN kind = 'deploy' THEN gas_used END), 0), "
            "coalesce(sum(succeeded = 0), 0), coalesce(sum(status = 'pending'), 0) FROM entries"
        ).fetchone()
        reasons = db.execute(
            "SELECT dapp, epoch, reason FROM queue WHERE kind != 'request' AND reason != ''"
        ).fetchall()
        return Totals(
            queued=db.execute("SELECT count(*) FROM queue").fetchone()[0],
            in_flight=in_flight,
            gas_used=gas,
            deploy_gas=deploy_gas,
            reverted=reverted,
            certified={dapp: count for dapp, count, _ in submits},
            submit_gas={dapp: used for dapp, _, used in submits},
            refused=tuple(f"{dapp} epoch {epoch}: {reason}" for dapp, epoch, reason in reasons),
        )
    finally:
        db.close()
