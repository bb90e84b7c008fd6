"""The caller's side of the two marks between which it is measured.

marks = Marks()
...                     # start up
marks.ready()           # returns when the bench has read the clocks and says go
...                     # all calls
marks.done(completed=…) # returns when the clocks were read again
...                     # shut down
"""

from __future__ import annotations

import json
import os
import sys


class Marks:
    """Lines of JSON on what was stdout; the bench answers each with an empty line on stdin."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        # pjlib greets on C's stdout whatever its log level is: that belongs to stderr.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def ready(self) -> None:
        self._say({})

    def done(self, **counted: float) -> None:
        self._say(counted)

    def _say(self, counted: dict[str, float]) -> None:
        print(json.dumps(counted), file=self._out, flush=True)
        sys.stdin.readline()
