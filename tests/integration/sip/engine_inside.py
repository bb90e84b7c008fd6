"""A SIP side in a process of its own, for `test_nat`: one call, one sound, one transfer.

    python -m tests.integration.sip.engine_inside '{"trunk": {...}, "wav": "tone.wav", ...}'

prints what became of them as one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import trio

from acd.lines import TrunkStatus
from acd.settings import TrunkSettings
from acd.sip import open_sip
from tests.integration.sip.conftest import agent, answered, released, wait_status
from tests.integration.sip.listening import recorded

_WHOLE_SECONDS = 30


async def main(trunk: dict[str, object], wav: str, heard: str) -> None:
    with trio.fail_after(_WHOLE_SECONDS):
        async with open_sip([TrunkSettings.model_validate(trunk)]) as sip:
            main_trunk = sip.trunk("main")
            await wait_status(main_trunk, TrunkStatus.UP)
            async with main_trunk.lines.lease(holder="test", deadline_seconds=25) as line:
                await answered(line)
                with recorded(Path(heard)):
                    await line.play(Path(wav))
                result = await line.blind_transfer(agent(), timeout_seconds=10)()
                events = await released(line)
    told = {"result": type(result).__name__, "events": [type(event).__name__ for event in events]}
    print("told", json.dumps(told))


if __name__ == "__main__":
    trio.run(lambda: main(**json.loads(sys.argv[1])))
