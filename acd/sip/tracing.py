"""The SIP thread's end of the trace: pjsua writes messages into its log, and we read them there.

pjlib's level is 0 while nobody traces, and then a message costs one comparison. pjsua2 has no
call that changes the level of a library that runs, so pjlib's own is called past it; a binding
that hides the symbol cannot trace.
"""

from __future__ import annotations

import ctypes
import re
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import pjsua2 as pj

from acd.sip.leg import Leg
from acd.sip.mailbox import ReportBox
from acd.sip.messages import CallNamed, Complaint, MessageSeen, Report
from acd.sip.plain_text import plain_text

MESSAGE_LEVEL = 4
"""At which pjsua logs whole messages."""
_MOST_WAITING = 10_000
# "TX 412 bytes Request msg OPTIONS/cseq=1 (tdta0x55…) to UDP 192.0.2.1:5060:\n…\n--end msg--"
_MESSAGE = re.compile(
    r"(TX|RX) \d+ bytes .*? (?:to|from) (\S+ \S+):\n(.*?)(?:\n--end msg--)?", re.DOTALL
)


class MessageWriter(pj.LogWriter):
    """What pjsua2 hands every line of its log; it may be called from pjsua's media thread too."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[tuple[float, str]] = deque(maxlen=_MOST_WAITING)

    def write(self, entry: pj.LogEntry) -> None:
        """Keep what is a message."""
        text = entry.msg
        if text.startswith(("TX ", "RX ")):
            self.lines.append((perf_counter(), plain_text(text)))


class Tracer:
    """Reports every message while it is on."""

    def __init__(self, reports: ReportBox[Report]) -> None:
        self.writer = MessageWriter()
        self._reports = reports
        self._on = False

    def give_writer(self, config: pj.EpConfig) -> None:
        """Let a library that is to be started log into the writer; it deletes it at its end."""
        config.logConfig.writer = self.writer
        self.writer.__disown__()

    def switch(self, legs: Iterable[Leg], *, on: bool) -> None:
        """Begin or end; calls that are up are named at once."""
        if not set_library_level(MESSAGE_LEVEL if on else 0) and on:
            self._reports.post(Complaint("this pjsua2 cannot trace: it hides pj_log_set_level"))
            return
        self._on = on
        if on:
            for leg in legs:
                self.name(leg)

    def name(self, leg: Leg) -> None:
        """Tell whose a call's messages are."""
        if self._on and leg.call is not None:
            with suppress(pj.Error):  # over already
                sip_call_id = leg.call.getInfo().callIdString
                self._reports.post(CallNamed(leg.call_id, leg.trunk.plan.name, sip_call_id))

    def flush(self) -> None:
        """Report what was logged up to now."""
        lines = self.writer.lines
        while lines:
            at_seconds, text = lines.popleft()
            found = _MESSAGE.fullmatch(text)
            if found is not None:
                self._reports.post(MessageSeen(at_seconds, found[1] == "TX", found[2], found[3]))


def set_library_level(level: int) -> bool:
    """Change pjlib's level; False where this build of pjsua2 hides the symbol."""
    for library in Path(pj.__file__).parent.glob("_pjsua2*.so"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(str(library)).pj_log_set_level(level)
            return True
    return False
