"""One blind transfer as a state machine, and what a trunk learns about when to send the REFER.

No clock and no SIP stack here: the SIP thread feeds what it saw (`TransferMachine.answered`,
`notified`, ...) and does what comes back: send the REFER again after a while, or finish with an
outcome. `TransferMachine` holds one transfer, `TransferTiming` one trunk.

Asterisk answers the REFER 202 and then says 400 in a NOTIFY while the answered leg is not yet in
its bridge, some milliseconds after the 200 OK. The first 400 is therefore never final: the REFER
is sent again for about a second, fast at first.

Who has the person after a failure (`PersonWith`):

- the REFER itself was answered 300 to 699, or nothing answered it: our dialog was not touched, US;
- final NOTIFY 400 (the race, to the end) or 404 (no such extension): Asterisk left the leg where
  it was, and another REFER works, US;
- any other final NOTIFY: Asterisk took the leg out of its bridge before it dialed the target, and
  answers every further REFER 404; a gateway, a session border controller or a phone keeps the leg
  until the target answers (RFC 5589 6.3). Nothing on the wire tells one from the other: the trunk's
  `after_failed_transfer` does;
- no final NOTIFY in time: the same, once anything but silence answered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from acd.frozen import frozen
from acd.lines import PersonWith
from acd.sip.headers import headers_of

RACE_STATUS = 400
_STILL_OURS = frozenset({400, 404})
_REFUSES_TRANSFERS = frozenset({403, 405, 603})


class TransferOutcome(StrEnum):
    """How a transfer ended; `acd.lines.TransferResult` has one class for each."""

    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    TIMED_OUT = "timed_out"


@frozen()
class ReferAgain:
    """Send the same REFER once more."""

    after_seconds: float


@frozen()
class TransferDone:
    """The transfer is over."""

    outcome: TransferOutcome
    sip_status: int | None = None
    person_with: PersonWith | None = None


TransferStep = ReferAgain | TransferDone | None
"""What to do next; None: wait on."""


@dataclass(slots=True)
class TransferTiming:
    """When to REFER on one trunk: as soon as its own 400s allow.

    `delay_seconds` is counted from the 2xx to our INVITE. It grows by `GROWTH_SECONDS` with each
    race that was met and shrinks by `DECAY` of itself with each first REFER that was taken, so it
    settles where about one transfer in some hundred has to be repeated.
    """

    delay_seconds: float = 0.0

    GROWTH_SECONDS = 0.001
    DECAY = 0.005
    LONGEST_DELAY_SECONDS = 0.1
    RETRY_STEPS_SECONDS = (0.005, 0.010, 0.020, 0.035, 0.050, 0.080, *(0.100,) * 8)
    """One second in all. An Asterisk with nothing else to do has its bridge up after 5 ms; one
    that shared its core with ten other processes once needed more than 220 ms. Half of the usual
    limit of 2 s (16 CFR 310.4(b)(1)(iv)) is left for the agent's phone to ring."""

    def raced(self) -> None:
        """A first REFER came before the PBX was ready."""
        longer = self.delay_seconds + self.GROWTH_SECONDS
        self.delay_seconds = min(longer, self.LONGEST_DELAY_SECONDS)

    def taken(self) -> None:
        """A first REFER was not answered with the race's 400."""
        self.delay_seconds *= 1 - self.DECAY


@dataclass(slots=True)
class TransferMachine:
    """One `blind_transfer` from its first REFER to its outcome."""

    timing: TransferTiming
    after_failure: PersonWith = PersonWith.PBX
    """Who has the person after a failure that leaves it open."""
    refers_sent: int = 0
    accepted: bool = False
    """The REFER that is open was answered 2xx, or a NOTIFY proved that it was taken."""
    done: TransferDone | None = None

    def refer_sent(self) -> None:
        """A REFER left."""
        self.refers_sent += 1
        self.accepted = False

    def answered(self, sip_status: int) -> TransferStep:
        """The REFER's response; 1xx say nothing (RFC 3515 2.4.2)."""
        if self.done is not None or sip_status < 200:
            return None
        if sip_status < 300:
            self.accepted = True
            return None
        return self._finish(TransferOutcome.REFUSED, sip_status, PersonWith.US)

    def unanswered(self) -> TransferStep:
        """The REFER's transaction timed out or its transport broke."""
        if self.done is not None:
            return None
        return self._finish(TransferOutcome.TIMED_OUT, None, PersonWith.US)

    def notified(self, sip_status: int | None, *, terminated: bool) -> TransferStep:
        """A NOTIFY for the REFER; it may overtake the 202 (RFC 3515 2.4.4).

        Args:
            sip_status: of its sipfrag, None where it has none.
            terminated: its Subscription-State is `terminated`.
        """
        if self.done is not None:
            return None
        self.accepted = True
        if sip_status is None or sip_status < 200:
            return self._finish(TransferOutcome.UNCONFIRMED) if terminated else None
        if sip_status == RACE_STATUS:
            return self._raced()
        if self.refers_sent == 1:
            self.timing.taken()
        if sip_status < 300:
            return self._finish(TransferOutcome.ANSWERED, sip_status)
        person = PersonWith.US if sip_status in _STILL_OURS else self.after_failure
        return self._finish(TransferOutcome.FAILED, sip_status, person)

    def dialog_over(self) -> TransferStep:
        """BYE from either side while the transfer was open."""
        return None if self.done is not None else self._finish(TransferOutcome.UNCONFIRMED)

    def timed_out(self) -> TransferStep:
        """No final NOTIFY within the caller's time."""
        if self.done is not None:
            return None
        person = self.after_failure if self.accepted else PersonWith.US
        return self._finish(TransferOutcome.TIMED_OUT, None, person)

    def _raced(self) -> TransferStep:
        if self.refers_sent == 1:
            self.timing.raced()
        steps = self.timing.RETRY_STEPS_SECONDS
        if self.refers_sent <= len(steps):
            return ReferAgain(steps[self.refers_sent - 1])
        return self._finish(TransferOutcome.FAILED, RACE_STATUS, PersonWith.US)

    def _finish(
        self,
        outcome: TransferOutcome,
        sip_status: int | None = None,
        person_with: PersonWith | None = None,
    ) -> TransferDone:
        self.done = TransferDone(outcome, sip_status, person_with)
        return self.done


@dataclass(slots=True)
class TransferPermission:
    """Whether a trunk lets us transfer at all: 403, 405 or 603 twice in a row says no."""

    refusals: int = 0
    refused_with: int = 0
    """The last of them."""

    LIMIT = 2

    def note(self, done: TransferDone) -> int | None:
        """Take one outcome; return with what this trunk refuses transfers, None if it does not.

        Transfers that were on their way when the trunk was stopped end in any manner: only one
        that was answered says that they are allowed after all.
        """
        if done.outcome is TransferOutcome.REFUSED and done.sip_status in _REFUSES_TRANSFERS:
            self.refusals += 1
            self.refused_with = done.sip_status
        elif done.outcome is TransferOutcome.ANSWERED:
            self.refusals = 0
        return self.refused_with if self.refusals >= self.LIMIT else None


@frozen()
class Notify:
    """What a NOTIFY of a REFER says."""

    sip_status: int | None
    terminated: bool
    refer_cseq: int | None = None
    """Which REFER it is for, where it tells (RFC 3515 2.4.6)."""


_EVENT = re.compile(r"refer\b(?:.*;\s*id\s*=\s*(\d{1,10})\b)?", re.IGNORECASE)
_STATE = re.compile(r"\w+")
_SIPFRAG = re.compile(r"\A\s*SIP/2\.0[ \t]+([1-6]\d\d)\b", re.IGNORECASE)


def read_notify(message: str) -> Notify | None:
    """Read a whole NOTIFY (RFC 3515 2.4.4, RFC 3420); None where it belongs to something else."""
    head, _, body = message.partition("\r\n\r\n")
    headers = headers_of(head, "event", "subscription-state")
    event = _EVENT.match(headers.get("event", [""])[0])
    if event is None:
        return None
    state = _STATE.match(headers.get("subscription-state", [""])[0])
    status = _SIPFRAG.search(body)
    return Notify(
        sip_status=int(status[1]) if status else None,
        terminated=state is not None and state[0].lower() == "terminated",
        refer_cseq=int(event[1]) if event[1] else None,
    )
