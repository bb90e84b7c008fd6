"""`acd` in which a line's method comes to nothing: `python held_engine.py METHOD COMMAND …`.

A moment that lasts microseconds on the wire lasts until the kill here.
"""

from __future__ import annotations

import sys
from typing import Never

import trio

from acd.cli import main
from acd.lines import TransferWait
from acd.sip.line import SipLine


async def hold(*_arguments: object, **_options: object) -> Never:
    await trio.sleep_forever()


def hold_transfer(*_arguments: object, **_options: object) -> TransferWait:
    return hold


HELD = {SipLine.originate: hold, SipLine.blind_transfer: hold_transfer}


if __name__ == "__main__":
    method = sys.argv.pop(1)
    setattr(SipLine, method, HELD[getattr(SipLine, method)])
    main()
