"""`open_sip`: the SIP side's one lifetime.

Inside it one SIP thread owns pjsua (see `acd.sip.thread`), and a trio task watches over it.
Leaving it hangs up every call, takes back every registration, waits for both a stated time, and
ends the thread.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import MappingProxyType

import structlog
import trio

from acd.errors import (
    AcdError,
    AddressInUse,
    BadSettings,
    CallError,
    TrunkError,
    UnknownName,
)
from acd.settings import DestinationSettings, TrunkSettings
from acd.sip.incoming import TEMPORARILY_UNAVAILABLE, SipIncomingCall
from acd.sip.limits import check_binding, check_watches, compiled_limits, raise_file_limit
from acd.sip.mailbox import CommandBox, ReportBox
from acd.sip.messages import (
    CHALLENGES,
    CallerArrived,
    CallerGone,
    CallNamed,
    CallReleased,
    Command,
    Complaint,
    Counted,
    ExtensionReport,
    LegReport,
    MessageSeen,
    Report,
    RestTrunk,
    Started,
    Stop,
    Stopped,
    TraceMessages,
    TraceReport,
    TrunkReport,
    TurnCallerAway,
    may_wait,
)
from acd.sip.plan import ProbeTiming, TrunkPlan, plan_trunks
from acd.sip.thread import SipThread
from acd.sip.trunk import SipTrunk

_log = structlog.get_logger(__name__)

_COLLECT_AFTER_OBJECTS = 30_000
_SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a busy trio side may keep the SIP thread from the interpreter (default 5 ms)."""
_THREAD_END_SECONDS = 10.0
"""Beyond the grace: libDestroy itself."""
_START_ERRORS: MappingProxyType[str, type[AcdError]] = MappingProxyType(
    {kind.__name__: kind for kind in (AddressInUse, BadSettings, TrunkError)}
)

_running = threading.Lock()
"""pjsua is one per process."""


class Sip:
    """The trunks of a running SIP side."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """late_events, callers_turned_away, redirects_followed."""
        self._commands: CommandBox[Command] = CommandBox()
        self._trunks: dict[str, SipTrunk] = {}
        self._legs: dict[int, Callable[[LegReport], None]] = {}
        self._last_leg = 0
        self._callers: dict[int, SipIncomingCall] = {}
        self._watches: dict[int, Callable[[ExtensionReport], None]] = {}
        self._last_watch = 0
        self._started = trio.Event()
        self._addresses: dict[str, str] = {}
        self._stopped: Stopped | None = None
        self._stopped_event = trio.Event()
        self._early: list[TrunkReport] = []
        self._tracing: Callable[[TraceReport], None] | None = None

    @property
    def trunks(self) -> tuple[SipTrunk, ...]:
        """Every trunk, in the order of the settings."""
        return tuple(self._trunks.values())

    def trunk(self, name: str) -> SipTrunk:
        """The trunk with this name.

        Raises:
            UnknownName: there is none.
        """
        try:
            return self._trunks[name]
        except KeyError:
            known = ", ".join(self._trunks)
            raise UnknownName(f"there is no trunk {name!r}; there are: {known}") from None

    def post(self, command: Command) -> None:
        """Send a command to the SIP thread."""
        self._commands.post(command)

    def attach(self, receive: Callable[[LegReport], None]) -> int:
        """A new leg number, whose reports go to `receive` until it is released."""
        self._last_leg += 1
        self._legs[self._last_leg] = receive
        return self._last_leg

    @contextmanager
    def watching(self, receive: Callable[[ExtensionReport], None]) -> Iterator[int]:
        """A new watch number, whose reports go to `receive` for as long as the block lasts.

        Raises:
            BindingTooSmall: this pjsua2 cannot watch so many extensions.
        """
        check_watches(compiled_limits(), watches=len(self._watches) + 1)
        self._last_watch += 1
        number = self._last_watch
        self._watches[number] = receive
        try:
            yield number
        finally:
            del self._watches[number]

    def rest(self, trunk: str, on: bool) -> None:  # it is the state asked for
        """Take a trunk's registration back, or let it register again."""
        self.post(RestTrunk(trunk, on))

    def trace(self, receive: Callable[[TraceReport], None] | None) -> None:
        """Hand every SIP message to `receive` from now on; None: no longer."""
        self._tracing = receive
        self.post(TraceMessages(on=receive is not None))

    async def _start(self, plans: Sequence[TrunkPlan]) -> threading.Thread:
        reports: ReportBox[Report] = ReportBox(
            trio.lowlevel.current_trio_token(), self._deliver, may_wait
        )
        core = SipThread(
            plans,
            compiled_limits(),
            commands=self._commands,
            reports=reports,
            traced=self._tracing is not None,
        )
        thread = threading.Thread(target=core.run, name="acd-sip", daemon=True)
        thread.start()
        with trio.CancelScope(shield=True):
            # Creating sockets takes milliseconds; a thread half started could not be stopped.
            await self._started.wait()
        if self._stopped is not None:
            await _join(thread)
            raise _error_of(self._stopped)
        return thread

    def _open_trunks(
        self,
        plans: Sequence[TrunkPlan],
        trunks: Sequence[TrunkSettings],
        nursery: trio.Nursery,
    ) -> None:
        for plan, trunk in zip(plans, trunks, strict=True):
            self._trunks[plan.name] = SipTrunk(
                plan,
                nursery,
                calls_per_second=trunk.calls_per_second,
                sip_address=self._addresses[plan.name],
                post=self.post,
                attach=self.attach,
                watching=self.watching,
            )
        for report in self._early:
            self._trunks[report.trunk].take(report)

    async def _watch(self) -> None:
        """Raise if the SIP thread ends by itself."""
        await self._stopped_event.wait()
        if self._stopped is not None and self._stopped.error_name:
            raise _error_of(self._stopped)

    async def _stop(self, thread: threading.Thread, grace_seconds: float) -> None:
        self.post(Stop(grace_seconds))
        with trio.move_on_after(grace_seconds + _THREAD_END_SECONDS, shield=True) as waiting:
            await self._stopped_event.wait()
            await _join(thread)
        if waiting.cancelled_caught:
            _log.error(
                "The SIP thread did not end in time and was left behind.",
                action="sip.thread_stuck",
            )

    def _deliver(self, report: Report) -> None:
        # First what comes ten times a call: each case that is looked at before takes its time.
        if isinstance(report, LegReport):
            self._deliver_leg(report)
            return
        match report:
            case TrunkReport():
                trunk = self._trunks.get(report.trunk)
                if trunk is None:
                    self._early.append(report)
                else:
                    trunk.take(report)
            case ExtensionReport():
                receive = self._watches.get(report.watch)
                if receive is not None:
                    receive(report)
            case CallerArrived():
                self._called(report)
            case CallerGone():
                if (gone := self._callers.pop(report.caller, None)) is not None:
                    gone.over(report.end)
            case Counted():
                self.counts[report.name] += 1
                if report.name == CHALLENGES:
                    self._trunks[report.trunk].challenges += 1
            case CallNamed() | MessageSeen():
                if self._tracing is not None:
                    self._tracing(report)
            case Complaint():
                _log.error(report.text, action="sip.callback_failed")
            case Started():
                self._addresses = dict(report.addresses)
                self._started.set()
            case Stopped():
                self._stopped = report
                self._started.set()
                self._stopped_event.set()

    def _called(self, report: CallerArrived) -> None:
        trunk = self._trunks.get(report.trunk)
        if trunk is None:  # we have only begun to start
            self.post(TurnCallerAway(report.caller, TEMPORARILY_UNAVAILABLE))
        else:
            self._callers[report.caller] = trunk.called(report)

    def _deliver_leg(self, report: LegReport) -> None:
        receive = self._legs.get(report.leg)
        if receive is None:
            self.counts["late_events"] += 1
            return
        if isinstance(report, CallReleased):
            del self._legs[report.leg]
        receive(report)


@asynccontextmanager
async def open_sip(
    trunks: Sequence[TrunkSettings],
    *,
    destinations: DestinationSettings | None = None,
    probe: ProbeTiming | None = ProbeTiming(),  # noqa: B008 # frozen
    stop_grace_seconds: float = 4.0,
    trace: Callable[[TraceReport], None] | None = None,
    called: Collection[str] = (),
    resting: Collection[str] = (),
) -> AsyncIterator[Sip]:
    """Run the SIP side for these trunks.

    Args:
        trunks: at least one; `sip.trunk(name)` finds them again.
        destinations: what a 3xx may lead to on trunks that follow them; None: nothing.
        probe: when to ask the PBX with OPTIONS whether it lives; None: never, and then only a
            REGISTER or a call tells.
        stop_grace_seconds: how long leaving waits for BYEs and un-REGISTERs to be answered.
        trace: gets every SIP message from the first on; see `Sip.trace`.
        resting: names of trunks that do not register before `Sip.rest` says so.
        called: names of trunks that somebody will `take_calls` of; their Contacts differ.

    Raises:
        BindingTooSmall: this pjsua2 holds fewer calls or accounts.
        BadSettings: RTP ports are too few, or an address is none of this machine.
        BadInput: this process may not open enough files.
        AddressInUse: a bind_port is taken.
        CallError: a second SIP side in one process, or the SIP thread broke.
    """
    if not trunks:
        raise BadSettings("no [[trunk]] is configured")
    limits = compiled_limits()
    lines = sum(trunk.lines for trunk in trunks)
    check_binding(limits, lines=lines, accounts=len(trunks))
    raise_file_limit(lines=lines)
    plans = await trio.to_thread.run_sync(
        partial(
            plan_trunks,
            trunks,
            probe=probe,
            destinations=destinations,
            called=called,
            resting=resting,
        )
    )
    with _alone(), _switching_often(), _collecting_little():
        sip = Sip()
        sip._tracing = trace
        thread = await sip._start(plans)
        try:
            async with trio.open_nursery() as nursery:
                sip._open_trunks(plans, trunks, nursery)
                nursery.start_soon(sip._watch)
                yield sip
                nursery.cancel_scope.cancel()
        finally:
            await sip._stop(thread, stop_grace_seconds)


@contextmanager
def _alone() -> Iterator[None]:
    if not _running.acquire(blocking=False):
        raise CallError("pjsua is one per process, and it runs already")
    try:
        yield
    finally:
        _running.release()


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _SWITCH_INTERVAL_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _collecting_little() -> Iterator[None]:
    """A full collection holds the interpreter: it passes over what is older than the first call."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _join(thread: threading.Thread) -> None:
    await trio.to_thread.run_sync(thread.join, abandon_on_cancel=True)


def _error_of(stopped: Stopped) -> Exception:
    known = _START_ERRORS.get(stopped.error_name)
    if known is not None:
        return known(stopped.error_text)
    return CallError(f"the SIP thread broke: {stopped.error_text}")
