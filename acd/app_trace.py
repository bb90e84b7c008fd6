"""What may be changed while the engine runs: its log level, and its SIP trace.

acd trace on --trunk main ─▶ control socket ─▶ TraceSwitch ─▶ SIP thread ─▶ SipTrace ─▶ file
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any, get_args

import structlog

from acd.control import Handler
from acd.errors import BadSettings
from acd.logs import set_log_level
from acd.logs.sip_trace import SipTrace, TracedMessage, TraceFilter, filter_from
from acd.settings import LogLevel, Settings
from acd.sip import Sip
from acd.sip.messages import CallNamed, TraceReport

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class TraceSwitch:
    """The trace of an engine, and who turns it on and off."""

    def __init__(self, settings: Settings) -> None:
        self._trunks = sorted(trunk.name for trunk in settings.trunk)
        self._trace = SipTrace(settings.sip_trace, settings.trunk)
        self._sip: Sip | None = None
        if settings.sip_trace.enabled:
            self._trace.start(filter_from(settings.sip_trace))

    @property
    def on(self) -> bool:
        """Whether messages are wanted."""
        return self._trace.on

    @contextmanager
    def serving(self, sip: Sip) -> Iterator[None]:
        """Turn this SIP side's trace on and off when asked to, while the block lasts."""
        self._sip = sip
        try:
            yield
        finally:
            self._sip = None

    def close(self) -> None:
        """Close the file, when the last BYE has been seen."""
        self._trace.stop()

    def take(self, report: TraceReport) -> None:
        """What the SIP thread reports."""
        if isinstance(report, CallNamed):
            self._trace.name_dialog(report.sip_call_id, call=report.call_id, trunk=report.trunk)
            return
        ago = timedelta(seconds=perf_counter() - report.at_seconds)
        self._trace.take(
            TracedMessage(datetime.now(UTC) - ago, report.sent, report.peer, report.text)
        )

    def obey(
        self,
        *,
        switch: str = "",
        trunks: Sequence[str] = (),
        numbers: Sequence[str] = (),
        calls: Sequence[str] = (),
    ) -> Mapping[str, Any]:
        """`on`, `off`, or nothing but an answer; all that a command may ask."""
        for name in trunks:
            if name not in self._trunks:
                return _refused(f"there is no trunk {name!r}; there are: {', '.join(self._trunks)}")
        if switch == "on":
            try:
                self._trace.start(TraceFilter(*map(frozenset, (trunks, numbers, calls))))
            except BadSettings as error:
                return _refused(str(error))
        elif switch == "off":
            self._trace.stop()
        if switch and self._sip is not None:
            self._sip.trace(self.take if self.on else None)
        return {"trace": self._trace.in_words}


def change_level(*, level: str = "") -> Mapping[str, Any]:
    """Change the level of the running engine's log."""
    for known in get_args(LogLevel):
        if known == level:
            set_log_level(known)
            # On the level that is written in any case.
            log.error("log level changed", action="log.level", to=level)
            return {"level": level}
    return _refused(f"there is no level {level!r}; there are: {', '.join(get_args(LogLevel))}")


def control_handlers(switch: TraceSwitch) -> Mapping[str, Handler]:
    """What the control socket may be asked of these."""
    return {"trace": switch.obey, "log-level": change_level}


def _refused(why: str) -> Mapping[str, Any]:
    return {"ok": False, "why": why}
