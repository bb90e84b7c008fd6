"""Datagrams that no SIP side should have to take: one message for each case of RFC 4475, and noise.

Every message is our own; its comment-like name is the case of the RFC that it stands for. They
are written with `{own}` for the sender's host:port, `{to}` for the target's, and `{id}` for what
keeps two copies apart. `datagrams` repeats them, breaks copies of them, and mixes in random bytes,
all from one seed: a run that failed can be run again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_LONG = "very" * 60
_SDP = (
    "v=0\r\no=- 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


def _message(
    first_line: str,
    *extra: str,
    method: str = "INVITE",
    via: str = "Via: SIP/2.0/UDP {own};branch=z9hG4bK{id}",
    sender: str = "From: <sip:stranger@{own}>;tag={id}",
    to: str = "To: <sip:acd@{to}>",
    call_id: str = "Call-ID: {id}@stranger",
    cseq: str = "",
    contact: str = "Contact: <sip:stranger@{own}>",
    forwards: str = "Max-Forwards: 70",
    body: str = "",
    length: str | None = None,
) -> str:
    said = f"Content-Length: {len(body)}" if length is None else length
    kind = ["Content-Type: application/sdp"] if body.startswith("v=") else []
    lines = (via, forwards, sender, to, call_id, cseq or f"CSeq: 1 {method}", contact)
    head = [first_line, *(line for line in (*lines, *extra, *kind, said) if line)]
    return "\r\n".join(head) + "\r\n\r\n" + body


def _options(*extra: str, uri: str = "sip:acd@{to}", **parts: str) -> str:
    return _message(f"OPTIONS {uri} SIP/2.0", *extra, method="OPTIONS", **parts)


def _invite(*extra: str, uri: str = "sip:acd@{to}", **parts: str) -> str:
    values = {"body": _SDP} | parts
    return _message(f"INVITE {uri} SIP/2.0", *extra, **values)


def _response(line: str, **parts: str) -> str:
    return _message(f"SIP/2.0 {line}", method="OPTIONS", forwards="", **parts)


CASES: dict[str, str] = {
    # 3.1.1: valid, and hard to read.
    "wsinv": (
        "INVITE sip:acd@{to};x=%20 SIP/2.0\r\n"
        "TO :\r\n  <sip:acd@{to}>   ;  tag  =  {id}t\r\n"
        'fRoM: "S \\\\\\" Q" <sip:stranger@{own}>;  tag = {id}\r\n'
        "MaX-fOrWaRdS: 0070\r\nCall-ID: {id}@ws\r\ncseq: 0008\r\n   INVITE\r\n"
        "v:  SIP  / 2.0  /  UDP  {own} ;branch = z9hG4bK{id}\r\nsubject:\r\n"
        "NewFangled:  new\r\n  line\r\nContent-Type: application/sdp\r\n"
        "m:<sip:stranger@{own}>;q=0.3\r\nl: 0\r\n\r\n"
    ),
    "intmeth": _message("!odd.M-eth_od%*+`'~ sip:acd@{to} SIP/2.0", method="!odd.M-eth_od%*+`'~"),
    "esc01": _invite(uri="sip:%61cd;user=%70hone@{to}"),
    "escnull": _message(
        "REGISTER sip:{to} SIP/2.0", to="To: <sip:n%00ull@{to}>", method="REGISTER"
    ),
    "esc02": _message("RE%47IST%45R sip:{to} SIP/2.0", method="RE%47IST%45R"),
    "lwsdisp": _options(sender="From: Str ange<sip:stranger@{own}>;tag={id}"),
    "longreq": _invite(
        *(f"Extra-{n}-{_LONG}: {_LONG}" for n in range(6)),
        sender=f'From: "{_LONG * 3}" <sip:{_LONG}@{{own}};{_LONG}=1>;tag={{id}}',
        via=",".join(
            ["Via: SIP/2.0/UDP {own};branch=z9hG4bK{id}"]
            + [f"SIP/2.0/TCP h{n}.example;branch=z9hG4bK{_LONG}" for n in range(8)]
        ),
    ),
    "dblreq": _options() + _invite(),
    "semiuri": _options(uri="sip:acd;a=b,c@{to}"),
    "transports": _options(
        via="Via: SIP/2.0/UDP {own};branch=z9hG4bK{id}\r\nVia: SIP/2.0/SCTP h1;branch=z9hG4bK1\r\n"
        "Via: SIP/2.0/TLS h2;branch=z9hG4bK2\r\nVia: SIP/2.0/ODD h3;branch=z9hG4bK3"
    ),
    "mpart01": _message(
        "MESSAGE sip:acd@{to} SIP/2.0",
        'Content-Type: multipart/mixed; boundary="b o"',
        method="MESSAGE",
        body="--b o\r\nContent-Type: text/plain\r\n\r\na\r\n--b o\r\n\r\n\x01\r\n--b o--\r\n",
    ),
    "unreason": _response("200 = 2**3 * 5**2 \u043e\u043a"),
    "noreason": _response("100 "),
    # 3.1.2: broken.
    "badinv01": _invite(contact='Contact: "Q <sip:stranger@{own}> ;;;; ,, ;'),
    "clerr": _invite(length="Content-Length: 9999"),
    "ncl": _invite(length="Content-Length: -999"),
    "scalar02": _message(
        "REGISTER sip:{to} SIP/2.0",
        "Expires: 10000000000000",
        method="REGISTER",
        cseq="CSeq: 36893488147419103232 REGISTER",
        forwards="Max-Forwards: 300",
        contact="Contact: <sip:stranger@{own}>;expires=280297596632815",
    ),
    "scalarlg": _response(
        "503 Later",
        cseq="CSeq: 9292394834772304023312 OPTIONS",
        contact="Retry-After: 949302838503",
    ),
    "quotbal": _invite(to='To: "Mr. Open <sip:acd@{to}>'),
    "ltgtruri": _invite(uri="<sip:acd@{to}>"),
    "lwsruri": _invite(uri="sip:acd@{to}; lr"),
    "lwsstart": _message("INVITE  sip:acd@{to}  SIP/2.0", body=_SDP),
    "trws": _message("OPTIONS sip:acd@{to} SIP/2.0  ", method="OPTIONS"),
    "escruri": _invite(uri="sip:acd@{to}?Route=%3Csip:odd.example%3E"),
    "baddate": _invite("Date: Fri, 01 Jan 2010 16:00:00 EST"),
    "regbadct": _message(
        "REGISTER sip:{to} SIP/2.0",
        method="REGISTER",
        contact="Contact: sip:stranger@{own}?Route=%3Csip:odd.example%3E",
    ),
    "badaspec": _options(uri="sip:acd@{to}", to='To: "A, B" <sip:acd@{to}> <sip:two@{to}>'),
    "baddn": _options(sender="From: Bell, A <sip:stranger@{own}>;tag={id}"),
    "badvers": _message(
        "OPTIONS sip:acd@{to} SIP/7.0", method="OPTIONS", via="Via: SIP/7.0/UDP {own}"
    ),
    "mismatch01": _options(cseq="CSeq: 8 INVITE"),
    "mismatch02": _message("NEWMETHOD sip:acd@{to} SIP/2.0", cseq="CSeq: 8 INVITE"),
    "bigcode": _response("4294967301 far too much"),
    # 3.2: the transaction layer.
    "badbranch": _options(via="Via: SIP/2.0/UDP {own};branch=z9hG4bK"),
    # 3.3: the application layer.
    "insuf": "INVITE sip:acd@{to} SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
    "unkscm": _options(uri="nosuch:acd"),
    "novelsc": _options(uri="soap.beep://127.0.0.1:3002"),
    "unksm2": _message(
        "REGISTER sip:{to} SIP/2.0",
        method="REGISTER",
        to="To: isbn:2983792873",
        contact="m: <name:x>",
    ),
    "bext01": _options("Require: nothingWeKnow, norThis", "Proxy-Require: thatNeither"),
    "invut": _invite(body="<not><sdp/></not>", length="Content-Type: application/odd"),
    "regaut01": _message(
        "REGISTER sip:{to} SIP/2.0", "Authorization: NoOne odd=1, realm=x", method="REGISTER"
    ),
    "multi01": _invite(
        "CSeq: 5 BYE", "Call-ID: other", "Max-Forwards: 5", "From: <sip:x@y>;tag=1", "To: <sip:z@y>"
    ),
    "mcl01": _options("Content-Length: 13", length="Content-Length: 5"),
    "bcast": _response("200 OK", via="Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK{id}"),
    "zeromf": _options(forwards="Max-Forwards: 0"),
    "cparam01": _message(
        "REGISTER sip:{to} SIP/2.0", method="REGISTER", contact="Contact: sip:x@{own};odd=thing"
    ),
    "cparam02": _message(
        "REGISTER sip:{to} SIP/2.0", method="REGISTER", contact="Contact: <sip:x@{own};odd=thing>"
    ),
    "regescrt": _message(
        "REGISTER sip:{to} SIP/2.0",
        method="REGISTER",
        contact="Contact: <sip:x@{own}?Route=%3Csip:odd.example%3Blr%3E>",
    ),
    "sdp01": _invite("Accept: text/nothing"),
    # 3.4: RFC 2543.
    "inv2543": _invite(
        via="Via: SIP/2.0/UDP {own}",
        sender="From: sip:stranger@{own}",
        forwards="",
        body=_SDP.replace("s=-\r\n", ""),
    ),
}

_NOISE_SHARE, _BROKEN_SHARE = 0.25, 0.5


def datagrams(count: int, *, seed: int, own: str, to: str) -> Iterator[bytes]:
    """`count` of them: each case at least once as it is, then broken copies and random bytes.

    Args:
        count: at least as many as there are cases.
        seed: the same one gives the same datagrams.
        own: host:port of the sender.
        to: host:port of the target.
    """
    chance = random.Random(seed)  # noqa: S311 # to be repeated, not to be secret
    names = list(CASES)
    for number in range(count):
        name = names[number % len(names)]
        whole = _filled(CASES[name], own=own, to=to, identifier=f"{number}n{seed}")
        draw = chance.random() if number >= len(names) else 1.0
        if draw < _NOISE_SHARE:
            yield chance.randbytes(chance.randint(1, 1400))
        elif draw < _NOISE_SHARE + _BROKEN_SHARE:
            yield _broken(whole, chance)
        else:
            yield whole


def _filled(case: str, *, own: str, to: str, identifier: str) -> bytes:
    named = case.replace("{own}", own).replace("{to}", to).replace("{id}", identifier)
    return named.encode()


def _broken(message: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, a piece cut out, or a piece repeated."""
    damaged = bytearray(message)
    for _ in range(chance.randint(1, 8)):
        start = chance.randrange(len(damaged))
        end = min(len(damaged), start + chance.randint(1, 40))
        match chance.randrange(3):
            case 0:
                damaged[start:end] = chance.randbytes(end - start)
            case 1 if end - start < len(damaged):
                del damaged[start:end]
            case _:
                damaged[start:start] = damaged[start:end]
    return bytes(damaged)
