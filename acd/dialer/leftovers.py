"""Dialogs that a dead engine left behind: kept with the attempt, ended before its row is closed.

That is at the engine's next start, or when another one takes over from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import structlog
import trio

from acd.dialer.store_watch import StoreWatch
from acd.lines import DialogId, Trunk
from acd.store.attempts import Leftover, leftover_dialogs

log: structlog.stdlib.BoundLogger = structlog.get_logger()

BETWEEN_SECONDS = 0.005
"""999 BYEs in one breath would be lost in a PBX's receive buffer."""
_DIALOG_FIELDS = tuple(field.name for field in fields(DialogId))


def dialog_as_json(dialog: DialogId) -> Mapping[str, Any]:
    """As the database keeps it."""
    # Not `asdict`: it copies every value, and this is asked with each call's first answer.
    return {field: getattr(dialog, field) for field in _DIALOG_FIELDS}


def dialog_of_json(kept: Mapping[str, Any]) -> DialogId:
    """`dialog_as_json` read back."""
    return DialogId(**{**kept, "routes": tuple(kept["routes"])})


async def hang_up_leftovers(store: StoreWatch, trunks: Mapping[str, Trunk], *, node: str) -> None:
    """Send each dialog of a dead node's open attempts its BYE; of one's own before one dials.

    The rows stay open until every BYE is answered or given up: a second crash meanwhile means
    that some are sent again, which does no harm.
    """
    leftovers = await store.read(leftover_dialogs, node=node)
    async with trio.open_nursery() as nursery:
        for leftover in leftovers:
            nursery.start_soon(_hang_up, leftover, trunks)
            await trio.sleep(BETWEEN_SECONDS)


async def _hang_up(leftover: Leftover, trunks: Mapping[str, Trunk]) -> None:
    trunk = trunks.get(leftover.trunk)
    if trunk is None:
        log.warning("a leftover call's trunk is gone", action="leftover.kept", **_named(leftover))
        return
    if await trunk.hang_up_leftover(dialog_of_json(leftover.dialog)):
        log.info("a leftover call was hung up", action="leftover.ended", **_named(leftover))
    else:
        log.warning("a leftover call may still be up", action="leftover.kept", **_named(leftover))


def _named(leftover: Leftover) -> dict[str, object]:
    whose = (
        {"tapi_client": leftover.tapi_client}
        if leftover.campaign is None
        else {"campaign": leftover.campaign, "lead": leftover.lead_id}
    )
    attempt_id = leftover.attempt_id
    return {**whose, "attempt": attempt_id, "call": f"a{attempt_id}", "trunk": leftover.trunk}
