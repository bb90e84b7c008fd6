"""An engine and an application behind a NAT, for row 17: one call in standard mode.

    python -m tests.acceptance.tapi.behind_nat FOLDER PBX

prints the states that the application was told, as one JSON list.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import trio

from acd.tapi.client import line_initialize_ex
from acd.tapi.constants import LineCallState as S
from tests.acceptance.tapi.office import open_engine_at, trunk_toml
from tests.peers import phones
from tests.peers.addresses import free_port
from tests.peers.kamailio import DIALER, DIALER_PASSWORD

_WHOLE_SECONDS = 60
PROFILE = (
    '[[profile]]\nname = "one"\nfirst_line = 1\nlast_line = 1\nmode = "standard"\nphone = "31"\n'
)


async def main(folder: Path, pbx: str) -> None:
    trunk = trunk_toml("office", pbx, user=DIALER, password="yes")
    with trio.fail_after(_WHOLE_SECONDS):
        async with (
            open_engine_at(
                folder,
                port=free_port(),
                trunks=trunk,
                profiles=PROFILE,
                passwords={"office": DIALER_PASSWORD},
                up=("office",),
            ) as (_, engine, gateway),
            line_initialize_ex(gateway) as app,
        ):
            call = await app.line_make_call(await app.line_open(1), phones.ANSWERS)
            await call.wait_states(S.IDLE)
            print("told", json.dumps([event.state.name for event in call.events]))
            await engine.end()


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), sys.argv[2])
