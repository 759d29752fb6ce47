"""One module a dashboard, in the order in which someone in a hurry opens them."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.boards import dapps, database, endpoint, fleet, pipeline, proofs

BOARDS: Final = {
    "pipeline": pipeline.board,
    "dapps": dapps.board,
    "fleet": fleet.board,
    "endpoint": endpoint.board,
    "database": database.board,
    "proofs": proofs.board,
}


def all_boards() -> dict[str, Dashboard]:
    """Each dashboard by its file's name."""
    return {name: make() for name, make in BOARDS.items()}
