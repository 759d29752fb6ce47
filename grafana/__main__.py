"""`python -m grafana`: write the dashboards to `dashboards/`."""

import json
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.boards import all_boards

FOLDER: Final = Path(__file__).with_name("dashboards")


def as_json() -> dict[str, str]:
    """Each dashboard's file, by its name."""
    return {
        f"{name}.json": json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for name, board in all_boards().items()
    }


def main() -> None:
    """Write what there is, remove what is no more."""
    made = as_json()
    for path in FOLDER.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
