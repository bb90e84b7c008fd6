"""`Line`, `LinePool` and `Trunk`: the Protocols that the scheduler dials through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import NewType, Protocol

from acd.calls import CallState, DisconnectCause
from acd.frozen import frozen
from acd.lines.events import DialogId, LineEvent, TransferResult
from acd.lines.extensions import ExtensionUpdates
from acd.lines.incoming import CallerLine, IncomingEnd

CallId = NewType("CallId", str)
"""Our name for one leg, in every log line and in SQL; never the SIP Call-ID."""


class DestinationKind(StrEnum):
    """Why something is being dialed; the door's rules differ."""

    LEAD = "lead"
    TRANSFER = "transfer"
    REDIRECT = "redirect"
    CALLBACK = "callback"


@frozen(kw_only=True)
class Destination:
    """A place that the door let through; nothing else may be dialed.

    `user` is the user part as the PBX wants it (an extension, a queue's name, a number in the
    trunk's dial format); `uri` is a full `sip:`/`sips:` URI and wins where it is set.
    """

    kind: DestinationKind
    user: str
    uri: str = ""

    @property
    def written(self) -> str:
        """As it stands in SQL and in logs."""
        return self.uri or self.user


@frozen(kw_only=True)
class CallerId:
    """What the called person's phone shows."""

    number: str
    display_name: str = ""


@frozen(kw_only=True)
class NotFollowed:
    """Why the number that a 3xx names is not called: how the call ends instead."""

    cause: DisconnectCause
    sentence: str
    """Shows no full number."""


RedirectGuard = Callable[[str], Awaitable[NotFollowed | None]]
"""Asked for the E.164 number that a 3xx names, before its INVITE leaves; None: it may be called.

The ring timeout goes on, and when the call ends meanwhile, the question is cancelled.
"""


TransferWait = Callable[[], Awaitable[TransferResult]]
"""Waits for what becomes of a transfer that has begun."""


@frozen(kw_only=True)
class OriginateRequest:
    """One call to start."""

    call_id: CallId
    destination: Destination
    ring_timeout_seconds: float
    """From INVITE to hanging up unanswered; the leg then ends with NO_ANSWER."""
    caller_id: CallerId | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """Extra SIP headers, as (name, value)."""
    may_follow: RedirectGuard | None = None
    """Where the trunk follows redirects; None: to every number that the door lets through."""


class Line(Protocol):
    """Carries one call at a time (TAPI HLINE)."""

    @property
    def number(self) -> int:
        """1 to the trunk's number of lines."""
        ...

    @property
    def state(self) -> CallState:
        """Where the present call stands; IDLE when there is none."""
        ...

    async def originate(self, request: OriginateRequest) -> None:
        """Start a call; returns once the SIP side has the order.

        Raises:
            LineInUse: the line still carries a call.
            TrunkUnavailable: the trunk may not dial now; no INVITE was sent.
        """
        ...

    async def next_event(self) -> LineEvent:
        """Wait for what happens next; after `Released` there is nothing until `originate`."""
        ...

    def event_now(self) -> LineEvent | None:
        """What `next_event` would return at once; None: nothing has happened."""
        ...

    def follow(self, on_news: Callable[[], None]) -> None:
        """Call this whenever `event_now` has something, while no task waits for `next_event`.

        It is called between two turns of every task, and must not raise.
        """
        ...

    def hang_up_soon(self) -> None:
        """`hang_up` without a checkpoint; nothing happens where there is no call."""
        ...

    async def hang_up(self) -> None:
        """End the call at whatever moment; `Ended` and `Released` follow as events."""
        ...

    def blind_transfer(
        self,
        target: Destination,
        *,
        timeout_seconds: float,
        on_accepted: Callable[[], None] | None = None,
    ) -> TransferWait:
        """REFER the connected person to `target` (RFC 3515); what is returned waits for the result.

        A wait that was cut short may be taken up again: the result is kept for it. After
        `TransferAnswered` the line sends BYE by itself. `timeout_seconds` counts from the order
        to the final NOTIFY. `on_accepted` is called once, where and when the PBX says that it
        will try: a 2xx to the REFER. A call that is already gone is `TransferRefused` (481).

        Raises:
            IllegalTransition: the call is not CONNECTED.
        """
        ...

    async def play(self, wav: Path, *, repeat: bool = False) -> None:
        """Play a WAV (8 kHz mono PCM) to the connected person, instead of what played before.

        Returns when the file was heard once, when something else plays, or when the call is
        over; with `repeat`, at once. Cancelling the wait ends the sound.

        Raises:
            IllegalTransition: there is nobody to hear it.
            BadInput: the file cannot be played; in one sentence.
        """
        ...

    async def hold(self) -> bool:
        """Put the person on hold (re-INVITE); return whether the other side agreed.

        Raises:
            IllegalTransition: the call is not CONNECTED.
        """
        ...

    async def resume(self) -> bool:
        """Take the person off hold; return whether the other side agreed.

        Raises:
            IllegalTransition: the call is not ONHOLD.
        """
        ...


class IncomingCall(Protocol):
    """One INVITE to us that waits; after its end every order to it is without effect."""

    @property
    def who(self) -> CallerLine:
        """Who calls whom."""
        ...

    def ring(self) -> None:
        """Send 180."""
        ...

    def turn_away(self, sip_status: int) -> None:
        """Send this final response, 400 to 699."""
        ...

    def redirect(self, target: Destination) -> None:
        """Send 302 with the target as Contact: the PBX, or the caller's phone, calls that."""
        ...

    async def wait_end(self) -> IncomingEnd:
        """Wait until it is over for us, and how."""
        ...


class LinePool(Protocol):
    """The lines of one trunk, shared by campaigns and TAPI clients."""

    @property
    def size(self) -> int:
        """All lines, leased or not."""
        ...

    @property
    def free(self) -> int:
        """Lines that can be leased now."""
        ...

    @property
    def expired_leases(self) -> int:
        """Leases that ran into their deadline and were hung up, since the start."""
        ...

    def states(self) -> Mapping[CallState, int]:
        """How many lines are in each state; a line without a call is IDLE, leased or not."""
        ...

    def holders(self) -> Mapping[str, int]:
        """How many lines each leaseholder has, those included whose dialog is not over yet."""
        ...

    def oldest_ended_seconds(self) -> float:
        """Since the oldest call was over whose line is not free again; 0: there is none."""
        ...

    def lease(
        self, *, holder: str, deadline_seconds: float, weight: int = 1
    ) -> AbstractAsyncContextManager[Line]:
        """Borrow a line, waiting for one and for the trunk's calls per second.

        Where holders want more than there is, they are served in proportion to their weights.
        Leaving the block hangs up whatever is left and gives the line back once its dialog is
        over. A lease past its deadline is hung up and counted, whoever holds it.
        """
        ...


class TrunkStatus(StrEnum):
    """May this trunk dial?"""

    STARTING = "starting"
    UP = "up"
    BACKING_OFF = "backing_off"
    """503 with Retry-After, or congestion."""
    UNREACHABLE = "unreachable"
    """No answer to OPTIONS, REGISTER or INVITE."""
    CREDENTIALS_REFUSED = "credentials_refused"
    TRANSFER_REFUSED = "transfer_refused"
    """REFER was answered 403, 405 or 603 twice: answered people could not be handed over."""


@frozen(kw_only=True)
class TrunkHealth:
    """How a trunk is, with a sentence for a person."""

    status: TrunkStatus
    detail: str = ""
    registered: bool = False
    """The PBX holds a registration of the account; False too where it does not register."""

    @property
    def may_dial(self) -> bool:
        """Whether a new call may be started."""
        return self.status is TrunkStatus.UP


class Trunk(Protocol):
    """A SIP account with capacity."""

    @property
    def name(self) -> str:
        """The `name` of its `[[trunk]]`."""
        ...

    @property
    def lines(self) -> LinePool:
        """What it can carry."""
        ...

    @property
    def health(self) -> TrunkHealth:
        """How it is now."""
        ...

    @property
    def challenges(self) -> int:
        """How many of our INVITEs were answered 401 or 407, since the start."""
        ...

    async def wait_health_change(self, seen: TrunkHealth) -> TrunkHealth:
        """Wait until the health is another than `seen`, and return it."""
        ...

    async def hang_up_leftover(self, dialog: DialogId) -> bool:
        """Send BYE for a dialog of a process that died; whether the PBX says that it is over.

        Returns within seconds, whatever the PBX does.
        """
        ...

    def watch(
        self, extension: str, *, domain: str = ""
    ) -> AbstractAsyncContextManager[ExtensionUpdates]:
        """Be told what the PBX knows of an extension's phone, for as long as the block lasts.

        A subscription that is refused, or lost with its PBX, is tried again by itself; until it
        stands the extension is UNKNOWN.

        Args:
            extension: the user part, as in `Destination.user`.
            domain: host or host:port of who tells of it; empty: the trunk's own.

        Raises:
            BindingTooSmall: so many extensions cannot be watched at once.
        """
        ...

    def take_calls(self, take: Callable[[IncomingCall], None]) -> AbstractContextManager[None]:
        """Hand each call that comes in on the account to `take`, for as long as the block lasts.

        `take` is called at once and returns at once. Outside such a block every caller is turned
        away.
        """
        ...
