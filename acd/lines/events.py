"""What a line says about its call: frozen values, each with the moment it happened.

`at_seconds` is always trio's clock (`trio.current_time()`), stamped when the SIP message was
seen, not when the value was read.
"""

from __future__ import annotations

from enum import StrEnum

from acd.calls import DisconnectCause
from acd.frozen import frozen


@frozen(kw_only=True)
class DialogId:
    """What it takes to end a SIP dialog from outside the process that began it (RFC 3261 12)."""

    call_id: str
    """The SIP Call-ID."""
    local: str
    """From of our requests, with our tag."""
    remote: str
    """To of our requests, with their tag."""
    target: str
    """Their Contact: the Request-URI of our requests."""
    routes: tuple[str, ...]
    """Route headers of our requests, in their order."""
    cseq: int
    """Of the INVITE."""


@frozen(kw_only=True)
class Proceeding:
    """100, 181, 182 or 183 to our INVITE."""

    at_seconds: float
    sip_status: int


@frozen(kw_only=True)
class Alerting:
    """180: the phone rings."""

    at_seconds: float
    dialog: DialogId | None = None
    """None where the 180 made no dialog: it had no To tag."""


@frozen(kw_only=True)
class Answered:
    """A 2xx to our INVITE: a person (or a machine) is on the line from this moment."""

    at_seconds: float
    dialog: DialogId | None = None


@frozen(kw_only=True)
class Ended:
    """The leg is over for everyone; its one cause is fixed."""

    at_seconds: float
    cause: DisconnectCause
    sip_status: int | None = None
    q850_cause: int | None = None
    reason_text: str = ""
    not_followed: str = ""
    """Why the number that a 3xx named was not called, without any whole number; empty: no 3xx
    led anywhere."""


@frozen(kw_only=True)
class Released:
    """The dialog is over; the line is free."""

    at_seconds: float


LineEvent = Proceeding | Alerting | Answered | Ended | Released


class PersonWith(StrEnum):
    """Who has the answered person after a transfer did not succeed."""

    US = "us"
    """Our dialog still carries them: another target may be tried."""
    PBX = "pbx"
    """The PBX took them out of our bridge: every further REFER would fail."""


@frozen(kw_only=True)
class TransferAnswered:
    """The final NOTIFY was a 2xx: the target has the person."""

    at_seconds: float


@frozen(kw_only=True)
class TransferRefused:
    """The REFER itself was answered 3xx to 6xx; the person is still ours."""

    at_seconds: float
    sip_status: int


@frozen(kw_only=True)
class TransferFailed:
    """The final NOTIFY was 3xx to 6xx."""

    at_seconds: float
    sip_status: int
    person_with: PersonWith


@frozen(kw_only=True)
class TransferUnconfirmed:
    """BYE came after the 202 and before a final NOTIFY.

    A PBX that succeeded looks the same as a person who hung up: the agent feed settles it.
    """

    at_seconds: float


@frozen(kw_only=True)
class TransferTimedOut:
    """Neither a final NOTIFY nor a BYE came in time."""

    at_seconds: float
    person_with: PersonWith


TransferResult = (
    TransferAnswered | TransferRefused | TransferFailed | TransferUnconfirmed | TransferTimedOut
)
