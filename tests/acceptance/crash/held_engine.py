"""`acd` in which one method of a line never returns: `python held_engine.py METHOD COMMAND …`.

A moment that lasts microseconds on the wire lasts until the kill here.
"""

from __future__ import annotations

import sys
from typing import Never

import trio

from acd.cli import main
from acd.sip.line import SipLine


async def hold(*_arguments: object, **_options: object) -> Never:
    await trio.sleep_forever()


if __name__ == "__main__":
    setattr(SipLine, sys.argv.pop(1), hold)
    main()
