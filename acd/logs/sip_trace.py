"""The SIP trace: messages as JSON lines in a file of mode 0600, and how they are read again.

    {"at": "2026-03-01T09:00:00.123456+00:00", "sent": true, "peer": "UDP 192.0.2.1:5060",
     "trunk": "main", "call": "a17", "sip_call_id": "…", "message": "INVITE sip:…"}

What proves who we are never gets here: values of Authorization and Proxy-Authorization, SRTP keys
(RFC 4568) and passwords in URIs are taken out before a message is looked at. Phone numbers stay;
that is what the file's mode and `enabled = false` are for.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import structlog

from acd.logs.rotating import RotatingFile, megabytes
from acd.settings import SipTraceSettings, TrunkSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

REMOVED = "(removed)"
_MOST_DIALOGS = 4096
"""Whose trunk and call are remembered."""
_SIGNIFICANT_DIGITS = 6
"""Two numbers are the same when they end alike and the shorter one has so many digits."""
# RFC 3261 7.3.1: a value may go on in the next line if that begins with white space.
_CREDENTIALS = re.compile(r"(?im)^((?:Proxy-)?Authorization[ \t]*:).*(?:\r?\n[ \t].*)*")
_SRTP_KEY = re.compile(r"(?i)(inline:)[^\s|;]+|(?m:^k=.*$)")
_URI_PASSWORD = re.compile(r"(?i)(\bsips?:[^\s@:;<>]+):[^\s@<>]*@")
_CALL_ID = re.compile(r"(?im)^(?:Call-ID|i)[ \t]*:[ \t]*(\S+)")
_PARTIES = re.compile(r"(?im)^(?:From|f|To|t)[ \t]*:(.*)$")
_URI = re.compile(r"(?i)\bsips?:(?:([^\s@;<>]+)@)?(\[[^\]]*\]|[^\s:;>]+)")


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """One SIP message on the wire."""

    at: datetime
    sent: bool
    """By us."""
    peer: str
    """Transport and address: `UDP 192.0.2.1:5060`."""
    message: str
    """Start line, headers, blank line, body; without credentials once it was `redacted`."""
    sip_call_id: str = ""
    call: str = ""
    """Our own id of the call: `a` and the attempt's; empty for REGISTER, OPTIONS, SUBSCRIBE."""
    trunk: str = ""
    """Empty where it could not be told."""

    def as_json_line(self) -> str:
        """One line of the file."""
        return json.dumps(asdict(self) | {"at": self.at.isoformat()}, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Which messages are written; a message that fits any entry is. Empty: all of them."""

    trunks: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    """Our own ids (`a17`)."""

    def admits(self, message: TracedMessage) -> bool:
        """Whether the message is wanted."""
        if not (self.trunks or self.numbers or self.calls):
            return True
        if message.trunk in self.trunks or message.call in self.calls:
            return True
        users = _users_of(message.message) if self.numbers else ()
        return any(_same_number(user, number) for user in users for number in self.numbers)

    def in_words(self) -> str:
        """`trunk main, call a17`; no numbers, which do not belong into logs."""
        words = [f"trunk {name}" for name in sorted(self.trunks)]
        words += [f"call {name}" for name in sorted(self.calls)]
        words += [f"{len(self.numbers)} number(s)"] if self.numbers else []
        return ", ".join(words) or "everything"


def redacted(message: str) -> str:
    """A SIP message without credentials, SRTP keys and passwords in URIs."""
    message = _CREDENTIALS.sub(rf"\1 {REMOVED}", message)
    message = _SRTP_KEY.sub(lambda found: f"{found[1] or 'k='}{REMOVED}", message)
    return _URI_PASSWORD.sub(rf"\1:{REMOVED}@", message)


def call_id_of(message: str) -> str:
    """The Call-ID; empty where there is none."""
    found = _CALL_ID.search(message)
    return found[1] if found else ""


def _users_of(message: str) -> Iterator[str]:
    """The user parts of From and To."""
    for party in _PARTIES.finditer(message):
        for uri in _URI.finditer(party[1]):
            yield unquote(uri[1] or "")


def _same_number(one: str, other: str) -> bool:
    if one == other:
        return True
    first, second = (re.sub(r"\D", "", each).lstrip("0") for each in (one, other))
    shorter, longer = sorted((first, second), key=len)
    return len(shorter) >= _SIGNIFICANT_DIGITS and longer.endswith(shorter)


class SipTrace:
    """Writes what it is given, while it is on."""

    def __init__(self, settings: SipTraceSettings, trunks: Iterable[TrunkSettings]) -> None:
        self._settings = settings
        self._accounts = {trunk.name: (trunk.user, trunk.domain) for trunk in trunks}
        self._dialogs: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._filter = TraceFilter()
        self._file: RotatingFile | None = None

    @property
    def on(self) -> bool:
        """Whether anything is written."""
        return self._file is not None

    @property
    def in_words(self) -> str:
        """What is traced, for a person."""
        return f"{self._filter.in_words()} into {self._settings.file}" if self.on else "off"

    def start(self, wanted: TraceFilter) -> None:
        """Write what `wanted` admits from now on, instead of what was written before.

        Raises:
            BadSettings: the file cannot be written.
        """
        if self._file is None:
            self._file = RotatingFile(
                self._settings.file,
                most_bytes=megabytes(self._settings.file_megabytes),
                old_files=self._settings.old_files,
            )
        self._filter = wanted
        log.warning("SIP trace is on", action="sip_trace.on", what=wanted.in_words())

    def stop(self) -> None:
        """Write no more."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            log.warning("SIP trace is off", action="sip_trace.off")

    def name_dialog(self, sip_call_id: str, *, call: str, trunk: str) -> None:
        """Say whose dialog a Call-ID is."""
        self._dialogs[sip_call_id] = (call, trunk)
        while len(self._dialogs) > _MOST_DIALOGS:
            self._dialogs.popitem(last=False)

    def take(self, message: TracedMessage) -> None:
        """Write a message that is wanted; a disk that is full ends the trace, not the engine."""
        if self._file is None:
            return
        known = self._known(message)
        if not self._filter.admits(known):
            return
        try:
            self._file.write(known.as_json_line())
        except OSError as error:
            self.stop()
            log.warning("SIP trace not written", action="sip_trace.broken", why=error.strerror)

    def _known(self, message: TracedMessage) -> TracedMessage:
        text = redacted(message.message)
        sip_call_id = call_id_of(text)
        call, trunk = self._dialogs.get(sip_call_id) or ("", self._trunk_of(text))
        return replace(message, message=text, sip_call_id=sip_call_id, call=call, trunk=trunk)

    def _trunk_of(self, text: str) -> str:
        """Of a message outside calls, by its account; empty where two trunks could be meant."""
        uris = {
            (unquote(uri[1] or ""), uri[2])
            for party in _PARTIES.finditer(text)
            for uri in _URI.finditer(party[1])
        }
        names = [
            name
            for name, (user, domain) in self._accounts.items()
            if (user, domain.partition(":")[0]) in uris
        ]
        return names[0] if len(names) == 1 else ""


def filter_from(settings: SipTraceSettings) -> TraceFilter:
    """What the settings ask for."""
    return TraceFilter(frozenset(settings.trunks), frozenset(settings.numbers))


def read_trace(file: Path, *, call: str, sip_call_id: str = "") -> list[TracedMessage]:
    """The messages of one call in a trace and the full files beside it, oldest first.

    Lines that are no message (the end of one that a crash cut off) are passed over, and files that
    have just been rotated away.

    Raises:
        OSError: a file cannot be read.
    """
    # Paths sort FILE.10 before FILE.9; what counts is when a message was seen.
    files = [*file.parent.glob(f"{file.name}.*"), file]
    found = [
        message
        for path in files
        for message in _messages_in(path)
        if message.call == call or (sip_call_id and message.sip_call_id == sip_call_id)
    ]
    return sorted(found, key=lambda message: message.at)


def _messages_in(path: Path) -> Iterator[TracedMessage]:
    try:
        opened = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    with opened as lines:
        for line in lines:
            try:
                yield _message_from(json.loads(line))
            except (ValueError, TypeError, KeyError):
                continue


def _message_from(fields: Mapping[str, Any]) -> TracedMessage:
    # Again: a trace may come from another program or version.
    message = redacted(fields["message"])
    at = datetime.fromisoformat(fields["at"])
    return TracedMessage(**{**fields, "at": at, "message": message})
