"""The trio side of a trunk: its lines, and its health as the SIP thread last told it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from time import perf_counter

import structlog
import trio

from acd.lines import (
    Destination,
    DestinationKind,
    DialogId,
    ExtensionUpdate,
    ExtensionUpdates,
    IncomingCall,
    TrunkHealth,
    TrunkStatus,
)
from acd.sip.incoming import TEMPORARILY_UNAVAILABLE, SipIncomingCall
from acd.sip.leftover import hang_up_leftover
from acd.sip.messages import (
    CallerArrived,
    Command,
    ExtensionReport,
    LegReport,
    TakeCalls,
    TrunkReport,
    UnwatchExtension,
    WatchExtension,
)
from acd.sip.plan import TrunkPlan
from acd.sip.pool import SipLinePool
from acd.sip.uris import destination_uri

_log = structlog.get_logger(__name__)


class SipTrunk:
    """`acd.lines.Trunk`."""

    def __init__(
        self,
        plan: TrunkPlan,
        nursery: trio.Nursery,
        *,
        calls_per_second: float,
        sip_address: str,
        post: Callable[[Command], None],
        attach: Callable[[Callable[[LegReport], None]], int],
        watching: Callable[[Callable[[ExtensionReport], None]], AbstractContextManager[int]],
    ) -> None:
        self.plan = plan
        self.sip_address = sip_address
        """host:port of our SIP transport."""
        self.challenges = 0
        """INVITEs that were answered 401 or 407."""
        self.post = post
        self.attach = attach
        self._watching = watching
        self._takes: Callable[[IncomingCall], None] | None = None
        self._health = TrunkHealth(status=TrunkStatus.STARTING)
        self._changed = trio.Event()
        self._lines = SipLinePool(self, nursery, size=plan.lines, calls_per_second=calls_per_second)

    @property
    def name(self) -> str:
        """The `name` of its `[[trunk]]`."""
        return self.plan.name

    @property
    def lines(self) -> SipLinePool:
        """What it can carry."""
        return self._lines

    @property
    def health(self) -> TrunkHealth:
        """How it is now."""
        return self._health

    async def wait_health_change(self, seen: TrunkHealth) -> TrunkHealth:
        """Wait until the health is another than `seen`, and return it."""
        await trio.lowlevel.checkpoint()
        while self._health == seen:
            await self._changed.wait()
        return self._health

    async def hang_up_leftover(self, dialog: DialogId) -> bool:
        """Send BYE for a dialog of a process that died; whether the PBX says that it is over."""
        return await hang_up_leftover(dialog, self.plan)

    @asynccontextmanager
    async def watch(self, extension: str, *, domain: str = "") -> AsyncIterator[ExtensionUpdates]:
        """Be told what the PBX knows of an extension's phone, for as long as the block lasts."""
        # Unbounded: the SIP side must never wait for whoever watches.
        send, receive = trio.open_memory_channel[ExtensionUpdate](float("inf"))
        # What `perf_counter` stamped, in trio's clock.
        ahead = trio.current_time() - perf_counter()

        def take(report: ExtensionReport) -> None:
            at_seconds = report.at_seconds + ahead
            send.send_nowait(
                ExtensionUpdate(at_seconds=at_seconds, state=report.state, detail=report.detail)
            )

        # Not through the door: nobody is called.
        who = Destination(kind=DestinationKind.TRANSFER, user=extension)
        plan = self.plan
        uri = destination_uri(who, domain=domain or plan.domain, transport=plan.transport)
        with send, receive, self._watching(take) as number:
            self.post(WatchExtension(number, plan.name, uri))
            try:
                yield receive
            finally:
                self.post(UnwatchExtension(number, plan.name))

    @contextmanager
    def take_calls(self, take: Callable[[IncomingCall], None]) -> Iterator[None]:
        """Hand each call that comes in on the account to `take`, for as long as the block lasts."""
        self._takes = take
        self.post(TakeCalls(self.plan.name, on=True))
        try:
            yield
        finally:
            self.post(TakeCalls(self.plan.name, on=False))
            self._takes = None

    def called(self, report: CallerArrived) -> SipIncomingCall:
        """Somebody calls the account: hand the call to whoever takes calls."""
        call = SipIncomingCall(report, domain=self.plan.domain, post=self.post)
        if self._takes is None:
            call.turn_away(TEMPORARILY_UNAVAILABLE)
        else:
            self._takes(call)
        return call

    def take(self, report: TrunkReport) -> None:
        """What the SIP thread says of the trunk."""
        self._health = report.health
        self._changed.set()
        self._changed = trio.Event()
        write = _log.info if self._health.may_dial else _log.warning
        write(
            "A trunk's health changed.",
            action="trunk.health",
            trunk=report.trunk,
            status=report.health.status.value,
            detail=report.health.detail,
            registered=report.health.registered,
        )
