"""What an INVITE to us says: whom it is for, and who calls. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import unquote

from acd.lines.incoming import CallerLine
from acd.sip.headers import headers_of
from acd.sip.plan import TrunkPlan

_REQUEST_URI = re.compile(r"^INVITE\s+(\S+)\s+SIP/2\.0", re.IGNORECASE)
_USER = re.compile(r"^(?:sips?:(?P<user>[^@:;?]*)[^@]*@|tel:(?P<number>[^;]*))", re.IGNORECASE)
_HOST = re.compile(r"^sips?:(?:[^@]*@)?(?P<host>\[[^\]]+\]|[^:;?\s]+)", re.IGNORECASE)
_LINE = re.compile(r";line=([0-9a-f]+)", re.IGNORECASE)
_NAME_ADDR = re.compile(r'^(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^<"]*))\s*<(?P<uri>[^>]*)>')
_REASON = re.compile(r"^Reason[ \t]*:[ \t]*(.+?)\r?$", re.IGNORECASE | re.MULTILINE)
# Q.850 26, non-selected user clearing: what telephone networks call it.
_ELSEWHERE = re.compile(
    r"(?:^|,)\s*(?:SIP\s*;[^,]*\bcause\s*=\s*200\b|Q\.850\s*;[^,]*\bcause\s*=\s*26\b)",
    re.IGNORECASE,
)
_WITHHELD = frozenset({"anonymous", "unavailable", "unknown"})
MOST_CHARACTERS = 128
"""Of a number or name that a stranger wrote."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An INVITE that came to us."""

    user: str
    """Of the Request-URI."""
    token: str
    """`line` of the Request-URI, which our own Contact had; mostly there, after a REGISTER."""
    to_host: str
    line: CallerLine


def line_token(trunk: str) -> str:
    """What the Contact of a trunk's account has as `line`, so that the PBX says it back."""
    return sha256(trunk.encode()).hexdigest()[:8]


def read_invitation(message: str) -> Invitation:
    """Read a whole INVITE."""
    head = message.partition("\r\n\r\n")[0]
    found = _REQUEST_URI.match(head)
    uri = found[1] if found else ""
    token = _LINE.search(uri)
    headers = headers_of(head, "from", "to")
    caller, caller_name, _ = _party(headers.get("from", [""])[0])
    called, called_name, to_uri = _party(headers.get("to", [""])[0])
    host = _HOST.match(to_uri)
    withheld = caller.lower() in _WITHHELD
    return Invitation(
        user=_user_of(uri),
        token=token[1].lower() if token else "",
        to_host=host["host"].lower() if host else "",
        line=CallerLine(
            caller="" if withheld else caller,
            caller_name="" if withheld else caller_name,
            called=called,
            called_name=called_name,
        ),
    )


def account_for(invitation: Invitation, plans: Sequence[TrunkPlan]) -> TrunkPlan | None:
    """Whose call it is: by the `line` of our Contact, else by user, then domain; None: nobody's."""
    for plan in plans:
        if invitation.token and invitation.token == line_token(plan.name):
            return plan
    named = [plan for plan in plans if plan.user.lower() == invitation.user.lower()]
    at_home = [plan for plan in named if _host_of(plan.domain) == invitation.to_host]
    return next(iter([*at_home, *named]), None)


def answered_elsewhere(cancel: str) -> bool:
    """Whether a CANCEL says that another phone of the user has the call."""
    head = cancel.partition("\r\n\r\n")[0]
    return any(_ELSEWHERE.search(value) for value in _REASON.findall(head))


def _party(value: str) -> tuple[str, str, str]:
    """User, display name and URI of a From or To."""
    found = _NAME_ADDR.match(value)
    if found is None:
        uri, name = value.partition(";")[0].strip(), ""
    else:
        uri = found["uri"].strip()
        quoted = found["quoted"]
        name = found["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return _user_of(uri), _shown(name or ""), uri


def _user_of(uri: str) -> str:
    found = _USER.match(uri)
    return _shown(unquote(found["user"] or found["number"] or "")) if found else ""


def _shown(text: str) -> str:
    return "".join(sign for sign in text.strip() if sign.isprintable())[:MOST_CHARACTERS]


def _host_of(domain: str) -> str:
    return domain.lower() if domain.startswith("[") else domain.partition(":")[0].lower()
