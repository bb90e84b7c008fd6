"""Every board and its JSON."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.boards import BOARDS

FOLDER = Path(__file__).parent
BOARDS_FOLDER = FOLDER / "grafana" / "boards"


def rendered() -> dict[str, str]:
    """File name → the board as Grafana imports it; the same text every time."""
    return {
        f"{uid}.json": json.dumps(board().build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for uid, board in BOARDS.items()
    }
