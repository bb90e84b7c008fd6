"""What the lab reads out of SIP text that pjsua2 hands over whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

_REQUEST_USER = re.compile(r"^\w+ sips?:([^@\s;?]+)@", re.IGNORECASE)
_CALL_ID = re.compile(r"^(?:Call-ID|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_AUTHORIZATION = re.compile(r"^Authorization[ \t]*:[ \t]*(.+?)\r?$", re.IGNORECASE | re.MULTILINE)
_TARGET = re.compile(
    r"^(?:[^<]*<)?sip:(?P<user>[^@\s;?>]+)@(?P<host>[^:;?>\s]+)(?::(?P<port>\d+))?"
    r"(?P<rest>[^>\s]*)",
    re.IGNORECASE,
)
_SIP_PORT = 5060


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """An INVITE that came in."""

    user: str
    """User part of the Request-URI."""
    sip_call_id: str
    authorization: str
    from_ourselves: bool
    """Sent by the lab itself, to one of its agents."""


def read_invite(message: str, *, from_ourselves: bool) -> Invite:
    """Read a whole INVITE."""
    head, _, _ = message.partition("\r\n\r\n")
    user = _REQUEST_USER.match(head)
    call_id = _CALL_ID.search(head)
    authorization = _AUTHORIZATION.search(head)
    return Invite(
        user=unquote(user[1]) if user else "",
        sip_call_id=call_id[1] if call_id else "",
        authorization=authorization[1] if authorization else "",
        from_ourselves=from_ourselves,
    )


def is_own_target(refer_to: str, *, address: str, port: int) -> bool:
    """Whether a Refer-To stays inside the lab: it calls nobody else's phone.

    `?Replaces=…` (an attended transfer) is not taken either.
    """
    found = _TARGET.match(refer_to.strip())
    if found is None or "?" in found["rest"]:
        return False
    return (found["host"], int(found["port"] or _SIP_PORT)) == (address, port)
