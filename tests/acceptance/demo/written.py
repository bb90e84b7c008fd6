"""What a demo leaves in its folder: the rows, and the PBX's own list of calls."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

EXPECTED = {
    "answers_sometime": "handed_over",
    "hangs_up": "handed_over",
    "machine": "handed_over",
    "busy": "busy",
    "switched_off": "unreachable",
    "invalid": "invalid_number",
    "rejects": "rejected",
    "rings_out": "no_answer",
    "congested": "congestion",
}
"""What the lab did with a number → the one disposition of its attempt."""


class Written:
    """Read from the folder of a demo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def lab_pid(self) -> int:
        lines = (self.folder / "lab.log").read_text().splitlines()
        pid: int = next(json.loads(line)["pid"] for line in lines if "lab.ready" in line)
        return pid

    def query(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "acd.sqlite")) as database:
            return database.execute(sql).fetchall()

    def lab_calls(self) -> dict[str, dict[str, Any]]:
        """The lab's record of each number."""
        lines = (self.folder / "lab-calls.jsonl").read_text().splitlines()
        calls = [r for line in lines if (r := json.loads(line))["kind"] == "call"]
        by_number = {call["number"]: call for call in calls}
        assert len(by_number) == len(calls), "a number was called twice"
        return by_number

    def attempts(self) -> dict[str, tuple[str, str | None]]:
        """Number → disposition and who has the person, from SQL."""
        rows = self.query(
            "SELECT e164, disposition, transfer_target FROM attempts JOIN lead_numbers"
            " USING (number_id)"
        )
        assert len(rows) == len({row[0] for row in rows}), "a lead was dialed twice"
        return {row[0]: (row[1], row[2]) for row in rows}

    def assert_rows_are_the_calls(self, *, leads: int) -> None:
        """Number by number, once each: what the PBX did is what the row says."""
        calls, attempts = self.lab_calls(), self.attempts()
        assert len(attempts) == leads
        assert attempts.keys() == calls.keys()
        for number, (disposition, agent) in attempts.items():
            call = calls[number]
            assert disposition == EXPECTED[call["conduct"]], call
            assert (agent or "") == call["agent"], call
