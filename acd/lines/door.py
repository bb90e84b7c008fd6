"""The one door: nothing is dialed, transferred to or redirected to that it did not let through.

Order of the rules: emergency first (no setting opens that), then the operator's `allow`, then
grammar, premium, region.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial

from acd.lines.protocols import Destination, DestinationKind
from acd.numbers import (
    COSTLY,
    NumberRule,
    PhoneNumber,
    begins_like_emergency,
    dial_string,
    digits_of,
    is_emergency,
    is_written_out,
    masked,
    plain,
    read_number,
)
from acd.settings import DestinationSettings, NumberFormat, TrunkSettings


class DoorRule(StrEnum):
    """Why the door stayed shut; the ids appear in SQL, logs and metrics."""

    EMERGENCY = "emergency"
    PREMIUM = "premium"
    SHORT_CODE = "short_code"
    REGION = "region"
    INVALID = "invalid"
    GRAMMAR = "grammar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A destination that must not be dialed; `sentence` shows no full number."""

    rule: DoorRule
    sentence: str


_INTERNAL = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
_FEATURE_CODE = re.compile(r"^[0-9*#]{1,32}$")
_URI = re.compile(
    r"^(?P<scheme>sips?):(?P<user>[A-Za-z0-9+][A-Za-z0-9._+-]{0,31})@"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]+\])"
    r"(?P<port>:[0-9]{1,5})?(?P<transport>;transport=(?:udp|tcp|tls))?$"
)
_PHONE_LIKE = re.compile(r"^\+?[0-9]{7,}$")
_KEPT = 1024
"""As many targets and numbers are remembered: agents, queues, and what was just read."""
_RULES = {
    NumberRule.EMERGENCY: DoorRule.EMERGENCY,
    NumberRule.SHORT_CODE: DoorRule.SHORT_CODE,
}


class Door:
    """Checks every destination of one trunk.

    Args:
        destinations: `[destinations]` of the settings.
        trunk: whose dial format and prefix are used; None: E.164 with `+`.
    """

    def __init__(
        self, destinations: DestinationSettings, trunk: TrunkSettings | None = None
    ) -> None:
        self._region = destinations.default_region
        self._allowed_regions = frozenset(destinations.allowed_regions or (self._region,))
        self._regions = tuple(sorted({self._region, *self._allowed_regions}))
        self._format = trunk.number_format if trunk else NumberFormat.PLUS
        self._prefix = trunk.number_prefix if trunk else ""
        reached = (trunk.domain, trunk.outbound_proxy) if trunk else ()
        self._hosts = frozenset(_host_of(where) for where in reached)
        self._allow = frozenset(plain(entry) for entry in destinations.allow)
        self._remember()

    def _remember(self) -> None:
        # The rules read the same number twice, and each person is sent to one of the same agents.
        self._read = lru_cache(maxsize=_KEPT)(partial(read_number, default_region=self._region))
        self._judge_target = lru_cache(maxsize=_KEPT)(
            partial(self._judge, kind=DestinationKind.TRANSFER)
        )

    def __getstate__(self) -> dict[str, object]:
        """Without what is remembered: an import hands its door to processes of its own."""
        return {k: v for k, v in vars(self).items() if k not in ("_read", "_judge_target")}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._remember()

    def admit(self, text: str, kind: DestinationKind) -> Destination | Refused:
        """Let a destination through as the PBX wants it written, or say why not."""
        if kind is DestinationKind.TRANSFER:
            return self._judge_target(text)
        return self._judge(text, kind)

    def number_of(self, text: str) -> str | None:
        """E.164 of what a lead's destination or a redirect's dials; None: it is no number."""
        number = self._read(plain(text))
        return number.e164 if isinstance(number, PhoneNumber) else None

    def admit_asked(self, text: str) -> Destination | Refused:
        """Let a transfer target through that a program asks for and no setting names.

        An extension, a queue, a number that a lead might have, or a URI of the trunk's own hosts:
        otherwise whoever writes such a program could have the world called.
        """
        admitted = self.admit(text, DestinationKind.TRANSFER)
        wanted = plain(text)
        if isinstance(admitted, Refused) or wanted in self._allow:
            return admitted
        uri = _URI.match(wanted)
        if uri and uri["host"].lower() not in self._hosts:
            return _refused(DoorRule.REGION, uri["user"], "is at a host that is not the trunk's")
        user = uri["user"] if uri else wanted
        number = self._read(user) if _PHONE_LIKE.match(user) else None
        refused = self.refusal(number) if isinstance(number, PhoneNumber) else None
        return refused or admitted

    def _judge(self, text: str, kind: DestinationKind) -> Destination | Refused:
        wanted = plain(text)
        if self._is_emergency(wanted):
            return _refused(DoorRule.EMERGENCY, wanted, "reaches an emergency service")
        if wanted in self._allow:
            return self._allowed(wanted, kind)
        if kind is DestinationKind.TRANSFER:
            return self._admit_target(wanted)
        return self._admit_number(wanted, kind)

    def _is_emergency(self, text: str) -> bool:
        if not self._prefix and is_written_out(text):
            # What the rest comes to for nearly everything that is dialed.
            return self._is_read_as_emergency(text)
        user = text.partition("@")[0]
        digits = digits_of(user)
        if is_emergency(_without_scheme(user), self._regions):
            # Also 112p, T112 and the like: signs of a dial string are no part of the number.
            return True
        if _without_scheme(user).strip("0123456789+-./() "):
            # A queue's name such as sales-112 is no telephone number.
            return False
        stripped = digits.removeprefix(digits_of(self._prefix)) if self._prefix else digits
        return any(self._dials_help(candidate) for candidate in {digits, stripped})

    def _dials_help(self, digits: str) -> bool:
        if is_emergency(digits, self._regions):
            return True
        return self._is_read_as_emergency(f"+{digits.removeprefix('00')}")

    def _is_read_as_emergency(self, text: str) -> bool:
        number = self._read(text)
        return not isinstance(number, PhoneNumber) and number.rule is NumberRule.EMERGENCY

    def _allowed(self, wanted: str, kind: DestinationKind) -> Destination | Refused:
        if _URI.match(wanted):
            return Destination(kind=kind, user=_user_of(wanted), uri=wanted)
        if _INTERNAL.match(wanted) or _FEATURE_CODE.match(wanted):
            return Destination(kind=kind, user=wanted)
        number = self._read(wanted)
        if isinstance(number, PhoneNumber):
            return self._dialable(number, kind)
        return _refused(DoorRule.GRAMMAR, wanted, "cannot be written into a SIP request")

    def _admit_number(self, wanted: str, kind: DestinationKind) -> Destination | Refused:
        number = self._read(wanted)
        if not isinstance(number, PhoneNumber):
            return _refused(_RULES.get(number.rule, DoorRule.INVALID), wanted, number.why)
        return self._forbidden(number) or self._dialable(number, kind)

    def refusal(self, number: PhoneNumber) -> Refused | None:
        """Why a valid number may not be a lead's on this trunk; None: it may."""
        answer = self._forbidden(number) or self._dialable(number, DestinationKind.LEAD)
        return answer if isinstance(answer, Refused) else None

    def _forbidden(self, number: PhoneNumber) -> Refused | None:
        if number.e164 in self._allow:
            return None
        if number.kind in COSTLY:
            return _refused(DoorRule.PREMIUM, number.e164, f"is a {number.kind} number")
        if number.region in self._allowed_regions:
            return None
        allowed = ", ".join(sorted(self._allowed_regions))
        return _refused(
            DoorRule.REGION,
            number.e164,
            f"lies in {number.region or 'no region'}; allowed_regions lets through {allowed}",
        )

    def _admit_target(self, wanted: str) -> Destination | Refused:
        uri = _URI.match(wanted)
        user = uri["user"] if uri else wanted
        if _PHONE_LIKE.match(user):
            number = self._read(user)
            if isinstance(number, PhoneNumber) and number.kind in COSTLY:
                return _refused(DoorRule.PREMIUM, wanted, f"is a {number.kind} number")
            if not uri and isinstance(number, PhoneNumber) and user.startswith(("+", "00")):
                return self._dialable(number, DestinationKind.TRANSFER)
        if uri:
            return Destination(kind=DestinationKind.TRANSFER, user=user, uri=wanted)
        if _INTERNAL.match(wanted):
            return Destination(kind=DestinationKind.TRANSFER, user=wanted)
        return _refused(DoorRule.GRAMMAR, wanted, "is no extension, queue name, number or sip: URI")

    def _dialable(self, number: PhoneNumber, kind: DestinationKind) -> Destination | Refused:
        user = dial_string(number.e164, self._format, self._prefix)
        # India's +91 1… written without its plus begins like a call to 911.
        if begins_like_emergency(user, self._regions):
            return _refused(
                DoorRule.EMERGENCY,
                number.e164,
                "begins like an emergency call in this trunk's number_format",
            )
        return Destination(kind=kind, user=user)


def _host_of(where: str) -> str:
    """A domain or proxy of the settings without its port."""
    return re.sub(r":[0-9]+$", "", where).lower()


def _without_scheme(text: str) -> str:
    return re.sub(r"^(?:sips?|tel):", "", text, flags=re.IGNORECASE)


def _user_of(uri: str) -> str:
    return _without_scheme(uri).partition("@")[0]


def _refused(rule: DoorRule, text: str, why: str) -> Refused:
    digits = digits_of(text)
    shown = masked(text) if len(digits) > 6 else repr(text[:40])
    return Refused(rule=rule, sentence=f"{shown} is not dialed: it {why}")
