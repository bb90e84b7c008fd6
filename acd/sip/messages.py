"""What crosses between trio and the SIP thread: frozen, and only plain values.

Commands go down, reports come up. Nothing here refers to an object of pjsua2 or of trio, so the
SIP side could move to a process of its own without another word being said differently.

`leg` numbers one call within this process and is never used again. Every `at_seconds` here is
`time.perf_counter()` of this machine, stamped inside the callback; the trio side turns it into
trio's clock.
"""

from __future__ import annotations

from acd.calls import DisconnectCause
from acd.frozen import frozen
from acd.lines import (
    CallerLine,
    DialogId,
    ExtensionState,
    IncomingEnd,
    PersonWith,
    TrunkHealth,
)
from acd.sip.transfer import TransferOutcome
from acd.sip.wav import WavFile


@frozen()
class StartCall:
    """Send an INVITE."""

    leg: int
    trunk: str
    uri: str
    from_header: str
    """A whole From value: display name and URI; empty for the account's own."""
    headers: tuple[tuple[str, str], ...]
    ring_timeout_seconds: float
    call_id: str = ""
    """The holder's name of the call, for the trace."""
    asks_before_following: bool = False
    """The number of a 3xx is called once `FollowRedirect` comes, not before."""


@frozen()
class FollowRedirect:
    """The answer to `CallRedirected`: send the next INVITE."""

    leg: int


@frozen()
class LeaveRedirect:
    """The other answer to `CallRedirected`: the call is over."""

    leg: int
    cause: DisconnectCause
    why: str


@frozen()
class HangUpCall:
    """End a call at whatever moment."""

    leg: int


@frozen()
class TransferCall:
    """REFER an answered call."""

    leg: int
    refer_to: str
    timeout_seconds: float
    tells_accepted: bool = False
    """Whether anybody wants to hear that the PBX will try."""


@frozen()
class PlayWav:
    """Play a file to an answered call, instead of what played before."""

    leg: int
    order: int
    """Names this order among the leg's."""
    wav: WavFile
    repeat: bool


@frozen()
class StopPlaying:
    """Nobody waits for this order any more."""

    leg: int
    order: int


@frozen()
class HoldCall:
    """Put an answered call on hold."""

    leg: int


@frozen()
class ResumeCall:
    """Take it off hold."""

    leg: int


@frozen()
class Stop:
    """Hang up everything, un-REGISTER, end the thread; after `grace_seconds` do not wait on."""

    grace_seconds: float


@frozen()
class TraceMessages:
    """Report every SIP message from now on, or no longer."""

    on: bool


@frozen()
class WatchExtension:
    """Subscribe to an extension's state."""

    watch: int
    """Names this watch within this process; never used again."""
    trunk: str
    extension_uri: str


@frozen()
class UnwatchExtension:
    """End a subscription."""

    watch: int
    trunk: str


@frozen()
class RestTrunk:
    """Take the account's registration back, or register again."""

    trunk: str
    on: bool


@frozen()
class TakeCalls:
    """Report who calls this trunk's account from now on, or turn them away."""

    trunk: str
    on: bool


@frozen()
class RingCaller:
    """Send 180 to somebody who calls us."""

    caller: int


@frozen()
class TurnCallerAway:
    """Send a final response to somebody who calls us."""

    caller: int
    sip_status: int


@frozen()
class RedirectCaller:
    """Send 302 to somebody who calls us."""

    caller: int
    contact: str
    """A whole Contact value."""


RedirectAnswer = FollowRedirect | LeaveRedirect
LegOrder = (
    HangUpCall | TransferCall | PlayWav | StopPlaying | HoldCall | ResumeCall | RedirectAnswer
)
WatchOrder = WatchExtension | UnwatchExtension
CallerOrder = TakeCalls | RingCaller | TurnCallerAway | RedirectCaller
Command = StartCall | LegOrder | WatchOrder | CallerOrder | RestTrunk | TraceMessages | Stop


@frozen()
class CallProceeding:
    """100, 181, 182 or 183."""

    leg: int
    at_seconds: float
    sip_status: int


@frozen()
class CallAlerting:
    """180."""

    leg: int
    at_seconds: float
    dialog: DialogId | None = None


@frozen()
class CallAnswered:
    """The 2xx, not the ACK."""

    leg: int
    at_seconds: float
    dialog: DialogId | None = None


@frozen()
class CallEnded:
    """The one cause is fixed; the dialog may still be closing."""

    leg: int
    at_seconds: float
    cause: DisconnectCause
    sip_status: int | None = None
    q850_cause: int | None = None
    reason_text: str = ""
    not_followed: str = ""


@frozen()
class CallReleased:
    """The dialog is over."""

    leg: int
    at_seconds: float


@frozen()
class CallRedirected:
    """A 3xx names a number that the door lets through; may it be called?"""

    leg: int
    e164: str


@frozen()
class TransferAccepted:
    """The PBX will try: the first 2xx to the REFER of a `TransferCall` that `tells_accepted`."""

    leg: int


@frozen()
class TransferEnded:
    """The answer to one `TransferCall`."""

    leg: int
    at_seconds: float
    outcome: TransferOutcome
    sip_status: int | None = None
    person_with: PersonWith | None = None
    refers_sent: int = 0


@frozen()
class PlayEnded:
    """The answer to one `PlayWav`: heard once, or begun to repeat, or cut short."""

    leg: int
    order: int
    error_text: str = ""


@frozen()
class HoldEnded:
    """The answer to one `HoldCall` or `ResumeCall`."""

    leg: int
    agreed: bool


@frozen()
class ExtensionReport:
    """A watched extension is in this state from now on."""

    watch: int
    at_seconds: float
    state: ExtensionState
    detail: str = ""


@frozen()
class CallerArrived:
    """An INVITE came to a trunk that takes calls, and waits."""

    caller: int
    """Names it within this process; never used again."""
    trunk: str
    at_seconds: float
    who: CallerLine


@frozen()
class CallerGone:
    """It is over for us."""

    caller: int
    at_seconds: float
    end: IncomingEnd


@frozen()
class TrunkReport:
    """A trunk's health changed."""

    trunk: str
    health: TrunkHealth


CHALLENGES = "challenges"
"""INVITEs of ours that were answered 401 or 407."""


@frozen()
class Counted:
    """Something that is counted and nothing else."""

    name: str
    trunk: str = ""


@frozen()
class CallNamed:
    """While messages are reported: whose a Call-ID is."""

    call_id: str
    trunk: str
    sip_call_id: str


@frozen()
class MessageSeen:
    """A SIP message on the wire, as it is, credentials and all."""

    at_seconds: float
    sent: bool
    peer: str
    """Transport and address: `UDP 192.0.2.1:5060`."""
    text: str


@frozen()
class Started:
    """Accounts and transports stand; (trunk, host:port of its SIP transport) for each."""

    addresses: tuple[tuple[str, str], ...]


@frozen()
class Complaint:
    """Something of ours broke without ending the SIP thread; worth an error in the log."""

    text: str


@frozen()
class Stopped:
    """The SIP thread is about to end."""

    error_name: str = ""
    """Empty; or the class of `acd.errors` that says why it could not start; or any other's."""
    error_text: str = ""


EventReport = CallProceeding | CallAlerting | CallAnswered | CallEnded | CallReleased
LegReport = EventReport | TransferAccepted | TransferEnded | PlayEnded | HoldEnded | CallRedirected
TraceReport = CallNamed | MessageSeen
CallerReport = CallerArrived | CallerGone
Report = (
    LegReport
    | ExtensionReport
    | CallerReport
    | TrunkReport
    | TraceReport
    | Counted
    | Complaint
    | Started
    | Stopped
)

_MAY_WAIT = frozenset(
    {CallProceeding, CallAlerting, CallReleased, TransferAccepted, Counted, CallNamed, MessageSeen}
)


def may_wait(report: Report) -> bool:
    """Whether some milliseconds more or less are the same to whoever gets it.

    Its moment is stamped. Who was answered waits for an agent, and who was not joined for the next
    one: those cannot wait.
    """
    match report:
        case TransferEnded(outcome=TransferOutcome.ANSWERED):
            return True
        case CallEnded(cause=DisconnectCause.TRANSFERRED):
            return True
        case _:
            return type(report) in _MAY_WAIT
