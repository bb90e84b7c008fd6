from __future__ import annotations

from acd.lines import DialogId
from acd.sip.leftover import dialog_of

ANSWER = "\r\n".join(
    [
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKabc",
        "Record-Route: <sip:edge.example;lr>, <sip:core.example;lr>",
        "record-route: <sip:inner.example;lr>",
        'From: "A, B" <sip:+431@pbx.example>;tag=ours',
        "t: <sip:+432@pbx.example>",
        "  ;tag=theirs",
        "i: 4711@dialer",
        "CSeq: 12345 INVITE",
        "Contact: <sip:asterisk@10.0.0.1:5060;transport=udp>;expires=5",
        "Content-Length: 0",
        "",
        "v=0",
    ]
)


def test_an_answer_tells_what_a_bye_needs() -> None:
    assert dialog_of(ANSWER) == DialogId(
        call_id="4711@dialer",
        local='"A, B" <sip:+431@pbx.example>;tag=ours',
        remote="<sip:+432@pbx.example> ;tag=theirs",
        target="sip:asterisk@10.0.0.1:5060;transport=udp",
        # RFC 3261 12.1.2: the route set is the Record-Route in reverse.
        routes=("<sip:inner.example;lr>", "<sip:core.example;lr>", "<sip:edge.example;lr>"),
        cseq=12345,
    )


def test_a_180_without_a_tag_or_without_a_contact_makes_no_dialog() -> None:
    assert dialog_of(ANSWER.replace(";tag=theirs", ";x=y")) is None
    assert dialog_of(ANSWER.replace("Contact", "Server")) is None
    assert dialog_of("") is None
