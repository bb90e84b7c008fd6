"""Agents whose phones are not picked up: counted in a row, and not ready at a limit.

A phone that rings unheard costs each person who is sent to it the whole wait. What the PBX itself
refuses (503, 500) says nothing about an agent and is not counted; what a feed sees of the phone
goes before what the PBX reports, since its dialplan may have sent the person on.
A queue is nobody's phone: of it only that the PBX knows no such extension counts, for all places.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto

from acd.agents import AgentId
from acd.dialer.handover import Handover
from acd.lines import (
    TransferAnswered,
    TransferFailed,
    TransferRefused,
    TransferResult,
    TransferTimedOut,
    TransferUnconfirmed,
)

REASON = "no answer"
"""Why such an agent is not ready, in SQL and for whoever asks."""
_OF_THE_AGENT = frozenset({404, 410, 480, 486, 600, 603, 604})
"""Answers to a REFER that are about the extension, not about the PBX."""
_NO_SUCH_EXTENSION = frozenset({404, 410, 604})


class PickUp(Enum):
    """What an agent did with a person on the way to them."""

    TAKEN = auto()
    MISSED = auto()
    NOBODY_THERE = auto()
    """The PBX knows no such extension."""
    UNKNOWN = auto()
    """Nobody can tell, or it was not the agent's doing."""


def judge_pick_up(result: TransferResult, handover: Handover, *, late: bool) -> PickUp:
    """What one transfer says about its agent.

    Args:
        result: the PBX's word.
        handover: what a feed has seen of the phone; nothing where none sees it.
        late: the campaign's limit has passed.
    """
    if handover.sent_on:
        return PickUp.MISSED
    if handover.picked_up_at is not None:
        return PickUp.TAKEN
    match result:
        case TransferRefused(sip_status=status) | TransferFailed(sip_status=status) if (
            status in _NO_SUCH_EXTENSION
        ):
            return PickUp.NOBODY_THERE
        case TransferAnswered():
            # It rang, and somebody else has picked up; or it was busy, and they wait in a queue.
            return PickUp.MISSED if handover.unheard or handover.waits else PickUp.TAKEN
        case TransferFailed() | TransferTimedOut():
            return PickUp.MISSED
        case TransferRefused(sip_status=status):
            return PickUp.MISSED if status in _OF_THE_AGENT else PickUp.UNKNOWN
        case TransferUnconfirmed():
            return PickUp.MISSED if handover.unheard and late else PickUp.UNKNOWN


class NoAnswers:
    """How many people in a row each agent has not taken."""

    def __init__(self) -> None:
        self._in_a_row: Counter[AgentId] = Counter()

    def taken(self, agent: AgentId) -> None:
        """They are there."""
        self._in_a_row.pop(agent, None)

    def missed(self, agent: AgentId, *, limit: int) -> bool:
        """Count one more; True when it is the last that `limit` allows (0: any number)."""
        self._in_a_row[agent] += 1
        if not limit or self._in_a_row[agent] < limit:
            return False
        self.taken(agent)
        return True
