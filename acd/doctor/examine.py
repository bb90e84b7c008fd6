"""Runs every check, side by side: the slowest one is as long as the whole examination."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from acd.doctor.check import Check, Examination
from acd.doctor.database import database_row
from acd.doctor.machine import (
    binding_row,
    encryption_row,
    installed_binding,
    open_files_row,
    rtp_ports_row,
    told_binding,
)
from acd.doctor.pbx import ask_pbx, credentials_row, options_row, refer_row
from acd.settings import Settings, TrunkSettings


async def examine(settings: Settings, *, extension: str = "") -> Examination:
    """Look at everything; `extension` is whom OPTIONS asks for, "" the `probe_user`."""
    compiled = installed_binding()
    outside: dict[int, Sequence[Check]] = {}

    async def store(at: int) -> None:
        outside[at] = [await database_row(settings.store)]

    async def pbx(at: int, trunk: TrunkSettings) -> None:
        asked = await ask_pbx(trunk, extension=extension or trunk.probe_user)
        outside[at] = [row(asked) for row in (options_row, credentials_row, refer_row)]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(store, 0)
        for number, trunk in enumerate(settings.trunk, start=1):
            nursery.start_soon(pbx, number, trunk)
    rows = [binding_row(compiled, settings), open_files_row(settings), *outside[0]]
    for number, trunk in enumerate(settings.trunk, start=1):
        rows += [rtp_ports_row(trunk, settings), encryption_row(trunk), *outside[number]]
    return Examination(told_binding(compiled), rows)
