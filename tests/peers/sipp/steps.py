"""SIPp scenarios put together from steps, each a few words of what the peer does.

    scenario(invite(), ring(), answer(), ack(), refer(202), notify(200, final=True), bye())

Every scenario also answers OPTIONS and REGISTER with 200, so that a trunk's probe and
registration find a living PBX; such calls count as successful ones of SIPp's.

Steps without "send" in their doc wait for a message of ours.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from xml.sax.saxutils import escape

_TO_TAG = ";tag=[pid]SIPp[call_number]"
_SAME_HEADERS = "[last_Via:]\n[last_From:]\n{to}\n[last_Call-ID:]\n[last_CSeq:]"
_CONTACT = "Contact: <sip:pbx@[local_ip]:[local_port];transport=[transport]>"
_SDP = """v=0
o=pbx 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP {payload_types}
{rtpmaps}
"""
_PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8}
_REFER_CSEQ = 6
_counter = itertools.count(1)


def scenario(*steps: str, answers_options: bool = True) -> str:
    """The XML of a scenario; `steps` begin with `invite()` (or `register()`)."""
    head = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="acd">\n'
    if not answers_options:
        return f"{head}{''.join(steps)}</scenario>\n"
    first = '<recv request="OPTIONS" optional="true" next="alive"/>\n'
    first += '<recv request="REGISTER" optional="true" next="registered"/>\n'
    last = '<label id="alive"/>\n' + _send(_reply("200 OK", tag=True), then="end")
    # A refresh and the un-REGISTER come with the Call-ID of the first; without Contact and
    # Expires in the 200 the expiry that was asked for holds.
    last += '<label id="registered"/>\n' + _send(_reply("200 OK", tag=True))
    last += '<recv request="REGISTER" next="registered"/>\n'
    # A step after the last one, so that what ends the call can jump over the two replies.
    end = '<nop next="end"/>\n'
    return f'{head}{first}{"".join(steps)}{end}{last}<label id="end"/>\n</scenario>\n'


def write(folder: Path, *steps: str, answers_options: bool = True) -> Path:
    """The scenario in a file of its own."""
    path = folder / f"scenario-{next(_counter)}.xml"
    path.write_text(scenario(*steps, answers_options=answers_options), encoding="latin-1")
    return path


def invite() -> str:
    """Takes the INVITE and remembers what later requests of the peer need."""
    return _receive(
        "INVITE",
        _remember("[0-9]+", "CSeq:", 1),
        _remember("sip:[^>]*", "Contact:", 2),
        _remember(".*", "From:", 3),
        _remember(".*", "To:", 4),
        _remember("branch=[^;]*", "Via:", 5),
        _remember("[0-9]+", "To:", 9),
        uses=(1, 2, 3, 4, 5, 9),
    )


def trying() -> str:
    """Send 100."""
    return _send(_reply("100 Trying"))


def ring(*, status: str = "180 Ringing", fork: str = "") -> str:
    """Send 180 (or another 1xx); `fork` is the end of the To tag."""
    return _send(_reply(status, _CONTACT, tag=True, fork=fork))


def early_media(*, codec: str = "PCMA") -> str:
    """Send 183 with SDP."""
    return _send(_reply("183 Session Progress", _CONTACT, tag=True, sdp=codec))


def answer(*headers: str, codec: str = "PCMA", fork: str = "", direction: str = "") -> str:
    """Send 200 with SDP (`a=sendonly`, ...; codecs in order), again until the ACK."""
    message = _reply(
        "200 OK", _CONTACT, *headers, tag=True, sdp=codec, fork=fork, direction=direction
    )
    return _send(message, retransmits=True)


def answer_cancelled(*, codec: str = "PCMA", fork: str = "") -> str:
    """Send 200 with SDP to the INVITE although a CANCEL or an ACK came in between."""
    message = _to_invite("200 OK", _CONTACT, sdp=codec, fork=fork)
    return _send(message, retransmits=True)


def offer_again(*headers: str, codec: str = "PCMA") -> str:
    """Send an INVITE inside the dialog, wait for its 200, send the ACK."""
    sent = _send(_request("INVITE", *headers, sdp=codec), retransmits=True)
    acknowledge = _request("ACK").replace("[cseq] ACK", "[last_cseq_number] ACK")
    return sent + _receive_status(200) + _send(acknowledge)


def take_reinvite(*headers: str, direction: str = "", codec: str = "PCMA") -> str:
    """An INVITE inside the dialog; send 200 with SDP (`a=recvonly`, ...), wait for its ACK."""
    reply = _reply("200 OK", _CONTACT, *headers, sdp=codec, direction=direction)
    return _receive("INVITE") + _send(reply, retransmits=True) + ack()


def take_update(*headers: str) -> str:
    """An UPDATE without SDP; send 200."""
    return _receive("UPDATE") + _send(_reply("200 OK", _CONTACT, *headers))


def offer_by_update(*, codec: str = "PCMA") -> str:
    """Send an UPDATE with SDP, wait for its 200."""
    return _send(_request("UPDATE", sdp=codec), retransmits=True) + _receive_status(200)


def refuse_reinvite(status: str, *headers: str) -> str:
    """An INVITE inside the dialog; send this final status, wait for its ACK."""
    return _receive("INVITE") + _send(_reply(status, *headers), retransmits=True) + ack()


def reject(status: str, *headers: str) -> str:
    """Send a final response, e.g. `486 Busy Here`, and wait for its ACK.

    `[$9]` in a header is the first digits of the dialed user; SIPp wants the status in plain.
    """
    return _send(_reply(status, *headers, tag=True), retransmits=True) + ack()


def redirect(contact: str, *, unless: str = "[^0-9]", after_milliseconds: int = 0) -> str:
    """Instead of `invite`: send 302 with this Contact and end, but take an INVITE to `unless`."""
    look = _remember(f"sip:{unless}@", "To:", 11)
    taken = invite().replace("<action>", f"<action>{look}")
    jump = '<nop test="11" next="taken"/>\n'
    end = '<nop next="end"/>\n<label id="taken"/>\n'
    wait = pause(after_milliseconds) if after_milliseconds else ""
    return taken + jump + wait + reject("302 Moved", f"Contact: {contact}") + end


def only_for(numbers: str, *steps: str) -> str:
    """Right behind `invite`: these steps and no others for calls to these numbers.

    Args:
        numbers: a regular expression of all the digits dialed.
        steps: what such a call goes through.
    """
    name = f"only{next(_counter)}"
    look = (
        f'<nop><action><ereg regexp="^({escape(numbers)})$" search_in="var" variable="9"'
        f' assign_to="{name}"/></action></nop>\n'
        f'<nop test="{name}" next="{name}"/>\n<nop next="{name}other"/>\n'
    )
    return (
        f'{look}<label id="{name}"/>\n{"".join(steps)}<nop next="end"/>\n'
        f'<label id="{name}other"/>\n'
    )


def ack() -> str:
    """The ACK."""
    return _receive("ACK")


def cancel() -> str:
    """The CANCEL; send 200 to it."""
    return _receive("CANCEL") + _send(_reply("200 OK", tag=True))


def terminate_cancelled() -> str:
    """Send 487 to the INVITE, wait for the ACK."""
    return _send(_to_invite("487 Request Terminated"), retransmits=True) + ack()


def refer(status: int, *headers: str, cseq_in: int = _REFER_CSEQ) -> str:
    """The REFER; send this status to it."""
    accepted = "202 Accepted" if status == 202 else f"{status} Whatever"
    return refer_received(cseq_in=cseq_in) + _send(_reply(accepted, _CONTACT, *headers))


def refer_received(*, cseq_in: int = _REFER_CSEQ) -> str:
    """The REFER, not answered yet; its CSeq stays in this variable, for `notify`."""
    remember = (
        _remember("[0-9]+", "CSeq:", cseq_in),
        _remember("branch=[^;]*", "Via:", 7),
        _remember("SIP/2.0/[A-Z]+ [^;]*", "Via:", 8),
    )
    return _receive("REFER", *remember, uses=(cseq_in, 7, 8))


def answer_refer(status: str = "202 Accepted") -> str:
    """Send the response to a REFER that `refer_received` took."""
    lines = [
        f"SIP/2.0 {status}",
        "Via: [$8];[$7]",
        "From:[$3]",
        f"To:[$4]{_TO_TAG}",
        "[last_Call-ID:]",
        f"CSeq: [${_REFER_CSEQ}] REFER",
        _CONTACT,
        "Content-Length: 0",
    ]
    return _send("\n".join(lines) + "\n\n")


def notify(
    status: int, *, final: bool = False, text: str = "Whatever", cseq_in: int | None = None
) -> str:
    """Send a NOTIFY with this sipfrag, wait for its 200; it names the REFER in this variable."""
    state = "terminated;reason=noresource" if final else "active;expires=60"
    headers = (
        f"Event: refer;id=[${cseq_in}]" if cseq_in is not None else "Event: refer",
        f"Subscription-State: {state}",
        "Content-Type: message/sipfrag;version=2.0",
    )
    body = f"SIP/2.0 {status} {text}\n"
    return _send(_request("NOTIFY", *headers, body=body), retransmits=True) + _receive_status(200)


def notify_and_hang_up(status: int) -> str:
    """Send a final NOTIFY with this sipfrag and BYE in one piece (by TCP), wait for a 200."""
    notified = _request(
        "NOTIFY",
        "Event: refer",
        "Subscription-State: terminated;reason=noresource",
        "Content-Type: message/sipfrag;version=2.0",
        body=f"SIP/2.0 {status} Whatever",
    )
    # SIPp cuts off an empty line at the end, which a BYE without a body ends with.
    over = _request("BYE", "Content-Type: text/plain", body="over").replace("[cseq]", "[cseq+1]")
    return _send(_measured(notified) + _measured(over)) + _receive_status(200)


def notify_without_body(*, final: bool = True) -> str:
    """Send a NOTIFY that has no sipfrag, wait for its 200."""
    state = "terminated;reason=noresource" if final else "active;expires=60"
    message = _request("NOTIFY", "Event: refer", f"Subscription-State: {state}")
    return _send(message, retransmits=True) + _receive_status(200)


def subscribe() -> str:
    """The SUBSCRIBE to dialogs; send 489 to one to anything else, and end there."""
    taken = _receive(
        "SUBSCRIBE",
        _remember("sip:[^>]*", "Contact:", 2),
        _remember(".*", "From:", 3),
        _remember(".*", "To:", 4),
        _remember("dialog", "Event:", 10),
        uses=(2, 3, 4),
    )
    refused = _send(_reply("489 Bad Event", tag=True))
    jump = '<nop test="10" next="dialogs"/>\n'
    return f'{taken}{jump}{refused}<nop next="end"/>\n<label id="dialogs"/>\n'


def subscribe_again() -> str:
    """A SUBSCRIBE inside the dialog: a refresh, or the end."""
    return _receive("SUBSCRIBE")


def accept_subscription(*, expires_seconds: int) -> str:
    """Send 200 to the SUBSCRIBE."""
    return _send(_reply("200 OK", _CONTACT, f"Expires: {expires_seconds}", tag=True))


def reply(status: str, *headers: str) -> str:
    """Send this final status to whatever request came last, other than an INVITE."""
    return _send(_reply(status, *headers, tag=True))


def notify_dialogs(state: str, *, subscription: str = "active;expires=60") -> str:
    """Send a NOTIFY with one dialog in this state (RFC 4235), wait for its 200."""
    body = (
        '<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0"'
        ' state="full" entity="sip:101@pbx"><dialog id="1" direction="recipient">'
        f"<state>{state}</state></dialog></dialog-info>"
    )
    headers = (
        "Event: dialog",
        f"Subscription-State: {subscription}",
        "Content-Type: application/dialog-info+xml",
    )
    return _send(_request("NOTIFY", *headers, body=body), retransmits=True) + _receive_status(200)


def bye() -> str:
    """The BYE; send 200."""
    return _receive("BYE") + _send(_reply("200 OK"))


def hang_up(*headers: str) -> str:
    """Send BYE, wait for its 200."""
    return _send(_request("BYE", *headers), retransmits=True) + _receive_status(200)


def pause(milliseconds: int) -> str:
    """Do nothing for a while."""
    return f'<pause milliseconds="{milliseconds}"/>\n'


def challenge(*, realm: str = "pbx", nonce: str = "abc") -> str:
    """Send 401 to the INVITE, wait for the ACK."""
    return reject("401 Unauthorized", digest("WWW-Authenticate", realm=realm, nonce=nonce))


def digest(header: str, *, realm: str = "pbx", nonce: str = "abc") -> str:
    """`WWW-Authenticate` or `Proxy-Authenticate`, for any reply."""
    return f'{header}: Digest realm="{realm}", nonce="{nonce}", algorithm=MD5'


def repeat(times: int, *steps: str) -> str:
    """The same steps again and again; SIPp reads no scenario of more than 64 KiB."""
    name = f"repeat{next(_counter)}"
    start = f'<nop><action><assign assign_to="{name}" value="0"/></action></nop>\n'
    count = f'<add assign_to="{name}" value="1"/>'
    more = f'<test assign_to="{name}more" variable="{name}" compare="less_than" value="{times}"/>'
    again = f'<nop><action>{count}{more}</action></nop>\n<nop test="{name}more" next="{name}"/>\n'
    return f'{start}<label id="{name}"/>\n{"".join(steps)}{again}'


def request(method: str, *headers: str, status: int = 200) -> str:
    """Send a request inside the dialog, wait for this status to it."""
    return _send(_request(method, *headers), retransmits=True) + _receive_status(status)


def receive(method: str) -> str:
    """A request, not answered."""
    return _receive(method)


def _receive(method: str, *actions: str, uses: tuple[int, ...] = ()) -> str:
    if not actions:
        return f'<recv request="{method}"/>\n'
    # SIPp refuses variables that nothing reads.
    read = "".join(f'<log message="{method} [${number}]"/>' for number in uses)
    return f'<recv request="{method}"><action>{"".join(actions)}{read}</action></recv>\n'


def _receive_status(status: int) -> str:
    return f'<recv response="{status}"/>\n'


def _remember(expression: str, header: str, variable: int) -> str:
    return (
        f'<ereg regexp="{escape(expression)}" search_in="hdr" header="{header}" '
        f'assign_to="{variable}"/>'
    )


def _send(message: str, *, retransmits: bool = False, then: str = "") -> str:
    again = ' retrans="500"' if retransmits else ""
    jump = f' next="{then}"' if then else ""
    return f"<send{again}{jump}><![CDATA[\n{message}]]></send>\n"


def _reply(
    status: str,
    *headers: str,
    tag: bool = False,
    sdp: str = "",
    direction: str = "",
    fork: str = "",
) -> str:
    to = f"[last_To:]{_TO_TAG}{fork}" if tag else "[last_To:]"
    lines = [f"SIP/2.0 {status}", _SAME_HEADERS.format(to=to), *headers]
    return _message(lines, sdp=sdp, direction=direction)


def _to_invite(status: str, *headers: str, sdp: str = "", fork: str = "") -> str:
    lines = [
        f"SIP/2.0 {status}",
        "[last_Via:]",
        "From:[$3]",
        f"To:[$4]{_TO_TAG}{fork}",
        "[last_Call-ID:]",
        "CSeq: [$1] INVITE",
        *headers,
    ]
    return _message(lines, sdp=sdp)


def _request(method: str, *headers: str, sdp: str = "", body: str = "") -> str:
    lines = [
        f"{method} [$2] SIP/2.0",
        # SIPp makes one branch of each step, however often it is done.
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]-[cseq]",
        f"From:[$4]{_TO_TAG}",
        "To:[$3]",
        "Call-ID: [call_id]",
        f"CSeq: [cseq] {method}",
        "Max-Forwards: 70",
        _CONTACT,
        *headers,
    ]
    return _message(lines, sdp=sdp, body=body)


def _measured(message: str) -> str:
    """With the length of its body, where SIPp's [len] would count what comes behind it too."""
    body = message.partition("\n\n")[2]
    # SIPp ends every line with CRLF.
    return message.replace("[len]", str(len(body.replace("\n", "\r\n"))))


def _message(lines: list[str], *, sdp: str = "", direction: str = "", body: str = "") -> str:
    if sdp:
        lines = [*lines, "Content-Type: application/sdp"]
        codecs = {codec: _PAYLOAD_TYPES[codec] for codec in sdp.split()}
        body = _SDP.format(
            payload_types=" ".join(map(str, codecs.values())),
            rtpmaps="\n".join(f"a=rtpmap:{kind} {codec}/8000" for codec, kind in codecs.items()),
        )
        body += f"a={direction}\n" if direction else ""
    if not body:
        return "\n".join([*lines, "Content-Length: 0"]) + "\n\n"
    return "\n".join([*lines, "Content-Length: [len]"]) + f"\n\n{body}\n"
