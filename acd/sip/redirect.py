"""Where a 3xx leads: the number in its Contact, past the one door, and through the same trunk.

Only the user part counts. A Contact may name any host at all, and an INVITE sent there would show
our account to a stranger, so the number is dialed at the trunk's own PBX, as the door writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from acd.lines import DestinationKind, Refused
from acd.settings import MOST_REDIRECTS
from acd.sip.plan import TrunkPlan
from acd.sip.uris import destination_uri

FOLLOWED_STATUSES = frozenset({300, 301, 302})
"""305 asks for another proxy and 380 for another service: neither is another number."""

_CONTACT_LINE = re.compile(r"^(?:Contact|m)[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')
_NEXT = re.compile(r",(?=\s*(?:<|sips?:|tel:))", re.IGNORECASE)
_USER = re.compile(r"(?:sips?:([^@<>\s]+)@|tel:([^<>\s]+))", re.IGNORECASE)
_Q = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NextTarget:
    """Whom to call now."""

    uri: str
    e164: str | None
    """The number dialed; None: an extension that `[destinations]` lets through."""


@dataclass(slots=True)
class Redirects:
    """Those of one call."""

    plan: TrunkPlan
    dialed: set[str] = field(default_factory=set)
    """Every Request-URI so far, the first one included."""

    def target(self, sip_status: int, message: str) -> NextTarget | str:
        """Whom to call next after this final response, or why nobody (empty: it is no question).

        The Contact with the highest q counts (RFC 3261 20.10); a refused one has no second.
        """
        door = self.plan.redirect_door
        if door is None or sip_status not in FOLLOWED_STATUSES:
            return ""
        user = contact_user(message)
        if user is None:
            return "redirected to no number"
        target = door.admit(user, DestinationKind.REDIRECT)
        if isinstance(target, Refused):
            return f"redirect refused: {target.sentence}"
        plan = self.plan
        uri = destination_uri(target, domain=plan.domain, transport=plan.transport)
        if uri in self.dialed:
            return "redirected in a circle"
        if len(self.dialed) > MOST_REDIRECTS:
            return f"redirected more than {MOST_REDIRECTS} times"
        return NextTarget(uri, door.number_of(user))


def contact_user(message: str) -> str | None:
    """The user part in the preferred Contact of a whole SIP message; None: no Contact has one."""
    head = re.sub(r"\r?\n[ \t]+", " ", message.partition("\r\n\r\n")[0])
    best: tuple[float, str] | None = None
    for line in _CONTACT_LINE.findall(head):
        for contact in _NEXT.split(_QUOTED.sub("", line)):
            found = _USER.search(contact)
            if found is None:
                continue
            weight = _Q.search(contact.rpartition(">")[2])
            preference = float(weight[1]) if weight else 1.0
            if best is None or preference > best[0]:
                written = found[1] or found[2]
                # Parameters and a password of the user part are no part of the number.
                best = preference, unquote(re.split("[;:]", written)[0])
    return best[1] if best else None
