"""The lab's own truth about each call, to hold the engine's database against."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TextIO


class EndedBy(StrEnum):
    """Who ended a leg."""

    CALLER = "caller"
    LAB = "lab"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call to one number, written when its leg is over."""

    number: str
    sip_call_id: str
    conduct: str
    status: int
    """The final status of the INVITE; 487 where the caller gave up."""
    ended_by: str
    agent: str
    """Who has the person now; empty: nobody took them."""
    transfers: int
    """REFERs that were accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkRecord:
    """One agent's call, written when the agent is free again."""

    agent: str
    number: str
    """Whom they talked to; empty where somebody dialed the extension."""
    answered: bool
    talk_seconds: float


Record = CallRecord | TalkRecord
_KINDS = {CallRecord: "call", TalkRecord: "talk"}


class RecordFile:
    """Records as JSON lines; each is on disk's way before the next thing happens."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, record: Record) -> None:
        """Append one record."""
        fields = {"kind": _KINDS[type(record)], **asdict(record)}
        self._file.write(json.dumps(fields) + "\n")
        self._file.flush()
