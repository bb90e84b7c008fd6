"""Whether a trunk may dial, judged from what the PBX answered: pure, the caller brings the time.

The judge remembers separate facts (registered, alive, credentials, transfers, back-off) and
`health` reads one verdict off them, the gravest first, so that no fact can hide another.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

from acd.lines import TrunkHealth, TrunkStatus

CREDENTIALS_RETRY_SECONDS = 300.0
"""After refused credentials nothing is tried for this long: PBXes ban who keeps trying."""
_LONGEST_BACK_OFF_SECONDS = 3600.0
_REQUEST_TIMEOUT = 408
_UNAVAILABLE = 503
_NOWHERE = frozenset({408, 504})
"""What a proxy says of a PBX that does not answer it.

Not 503: a carrier that is full says it to one lead after another, and without Retry-After it
asks for no pause (RFC 3261 21.5.4).
"""
_LOST_TO_A_PROBE = _NOWHERE | {502, 503}
_MOST_CALLS_TO_NOWHERE = 3
_MOST_NUMBERS_TO_NOWHERE = 2
"""Fewer, and it may be one lead's phone."""
NOWHERE_BACK_OFF_SECONDS = 10.0
_ASKED_TO_WAIT = "the PBX asked us to call later (503)"


@dataclass(slots=True)
class HealthJudge:
    """What is known of one trunk; times are seconds of any clock that never goes back."""

    registers: bool
    """The account registers: dialing waits for a 2xx to REGISTER."""
    probes: bool
    """OPTIONS are sent: dialing waits for an answer to one."""
    asks_beyond: bool = False
    """OPTIONS pass the proxy: they alone tell whether the PBX lives, not what a proxy can say."""
    registered: bool = False
    registration_detail: str = ""
    alive: bool | None = None
    """None until something was answered or timed out."""
    silence_detail: str = ""
    """Why nothing is answered, where we know more than that."""
    transfers_refused: int | None = None
    """The status of the refusal."""
    refused_until_seconds: float = 0.0
    refused_status: int = 0
    back_off_until_seconds: float = 0.0
    back_off_detail: str = ""
    calls_to_nowhere: int = 0
    """Since the last sign of life."""
    numbers_to_nowhere: set[str] = field(default_factory=set)
    life_at_seconds: float = -inf
    """When something behind the PBX's address last answered."""

    def answered(self) -> None:
        """Anything came from the PBX, or from a proxy before it."""
        if not self.asks_beyond:
            self.lives()

    def lives(self) -> None:
        """The PBX itself said something."""
        self.alive = True
        self.silence_detail = ""

    def probed(self, sip_status: int) -> None:
        """OPTIONS were answered."""
        if self.asks_beyond and sip_status in _LOST_TO_A_PROBE:
            self.silent(f"a proxy answered OPTIONS for it with {sip_status}")
        else:
            self.lives()

    def silent(self, detail: str = "") -> None:
        """A request of ours was not answered in time, or could not even be sent: `detail`."""
        self.alive = False
        self.silence_detail = detail or self.silence_detail

    def registration(
        self, sip_status: int, now_seconds: float, *, received: bool = True, reason: str = ""
    ) -> None:
        """REGISTER's final response; one of pjsip's own (not `received`) is silence."""
        self.registered = 200 <= sip_status < 300
        if self.registered:
            self.answered()
            self.refused_until_seconds = 0.0
            self.registration_detail = ""
            return
        if not received:
            broken = sip_status != _REQUEST_TIMEOUT and not self.silence_detail
            self.silent(f"there is no way to it ({reason})" if broken and reason else "")
            return
        self.answered()
        self.registration_detail = f"REGISTER was answered {sip_status}"
        if sip_status in {401, 403, 407}:
            self.credentials_refused(sip_status, now_seconds)

    def unregistered(self) -> None:
        """Our own un-REGISTER."""
        self.registered = False

    def credentials_refused(self, sip_status: int, now_seconds: float) -> None:
        """401 or 407 although the credentials were sent."""
        self.refused_status = sip_status
        self.refused_until_seconds = now_seconds + CREDENTIALS_RETRY_SECONDS

    def call_got_through(self, now_seconds: float) -> None:
        """Something behind the PBX's address answered: more than 100, or inside a call."""
        self.life_at_seconds = now_seconds
        self.calls_to_nowhere = 0
        self.numbers_to_nowhere.clear()

    def call_ended(
        self,
        sip_status: int,
        now_seconds: float,
        *,
        alerted: bool,
        number: str,
        invited_at_seconds: float,
    ) -> None:
        """An INVITE's final response, 300 to 699.

        OPTIONS may be answered by a proxy in front of a PBX that is dead: calls tell, unless
        OPTIONS pass the proxy.
        """
        if sip_status == _UNAVAILABLE and not alerted:
            return  # a PBX, a carrier and a proxy all say it: no sign of anything
        if alerted or sip_status not in _NOWHERE:
            self.call_got_through(now_seconds)
            return
        # Who was called before somebody else's phone rang may have been unlucky.
        if self.asks_beyond or invited_at_seconds < self.life_at_seconds:
            return
        self.calls_to_nowhere += 1
        self.numbers_to_nowhere.add(number)
        if (
            self.calls_to_nowhere < _MOST_CALLS_TO_NOWHERE
            or len(self.numbers_to_nowhere) < _MOST_NUMBERS_TO_NOWHERE
        ):
            return
        self.told_to_wait(NOWHERE_BACK_OFF_SECONDS, now_seconds)
        self.back_off_detail = (
            f"{self.calls_to_nowhere} calls in a row ended with {sip_status} and reached nobody: "
            "the PBX behind the proxy is down"
        )

    def told_to_wait(self, seconds: float, now_seconds: float) -> None:
        """503 with Retry-After (RFC 3261 21.5.4)."""
        wait = min(max(seconds, 0.0), _LONGEST_BACK_OFF_SECONDS)
        self.back_off_until_seconds = max(self.back_off_until_seconds, now_seconds + wait)
        self.back_off_detail = _ASKED_TO_WAIT

    def wakes_at(self, now_seconds: float) -> float | None:
        """When the verdict may change by time alone."""
        ahead = [
            at
            for at in (self.refused_until_seconds, self.back_off_until_seconds)
            if at > now_seconds
        ]
        return min(ahead, default=None)

    def health(self, now_seconds: float) -> TrunkHealth:
        """The verdict."""
        return replace(self._verdict(now_seconds), registered=self.registered)

    def _verdict(self, now_seconds: float) -> TrunkHealth:
        if now_seconds < self.refused_until_seconds:
            return TrunkHealth(
                status=TrunkStatus.CREDENTIALS_REFUSED,
                detail=f"the PBX refused user or password with {self.refused_status}; "
                f"nothing is tried for {CREDENTIALS_RETRY_SECONDS:.0f} s",
            )
        if self.transfers_refused is not None:
            return TrunkHealth(
                status=TrunkStatus.TRANSFER_REFUSED,
                detail=f"the PBX refuses REFER with {self.transfers_refused}: answered people "
                "could not be handed over; let it allow them, then restart the engine",
            )
        if self.alive is False:
            why = f": {self.silence_detail}" if self.silence_detail else ""
            return TrunkHealth(
                status=TrunkStatus.UNREACHABLE, detail=f"the PBX does not answer{why}"
            )
        return self._living(now_seconds)

    def _living(self, now_seconds: float) -> TrunkHealth:
        if now_seconds < self.back_off_until_seconds:
            return TrunkHealth(status=TrunkStatus.BACKING_OFF, detail=self.back_off_detail)
        if self.registers and not self.registered:
            if self.registration_detail:
                return TrunkHealth(status=TrunkStatus.UNREACHABLE, detail=self.registration_detail)
            return TrunkHealth(status=TrunkStatus.STARTING, detail="waiting for REGISTER")
        if self.probes and self.alive is None:
            return TrunkHealth(status=TrunkStatus.STARTING, detail="waiting for OPTIONS")
        return TrunkHealth(status=TrunkStatus.UP)
