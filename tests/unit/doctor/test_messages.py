"""The doctor's requests as the PBX sees them, and what counts as the answer to one."""

from __future__ import annotations

import pytest

from acd.doctor.messages import Method, NotSip, Question, Reply
from acd.settings import TrunkSettings

TRUNK = TrunkSettings(domain="pbx.example.com:5070", user="dialer")


def question(method: Method = Method.OPTIONS, extension: str = "") -> Question:
    return Question(TRUNK, method, "192.0.2.7:40000", extension, call_id="abc")


def answered(status_line: str, *headers: str, sequence: str = "1 OPTIONS") -> bytes:
    lines = [status_line, "i: abc", f"CSeq: {sequence}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def lines_of(asked: Question) -> list[str]:
    return asked.next_request({}).decode().split("\r\n")


def test_options_goes_to_the_domain_or_to_an_extension() -> None:
    lines = lines_of(question())
    assert lines[0] == "OPTIONS sip:pbx.example.com:5070 SIP/2.0"
    assert "To: <sip:pbx.example.com:5070>" in lines
    assert lines_of(question(extension="600"))[0] == "OPTIONS sip:600@pbx.example.com:5070 SIP/2.0"


def test_register_names_the_account_and_no_contact() -> None:
    lines = lines_of(question(Method.REGISTER, "600"))
    assert lines[0] == "REGISTER sip:pbx.example.com:5070 SIP/2.0"
    assert "To: <sip:dialer@pbx.example.com>" in lines
    assert not [line for line in lines if line.startswith(("Contact", "Expires"))]


def test_a_repetition_has_the_next_cseq_and_a_branch_of_its_own() -> None:
    asked = question()
    first = asked.next_request({})
    second = asked.next_request({"Authorization": "Digest x"})
    assert b"\r\nCSeq: 2 OPTIONS\r\n" in second
    assert b"\r\nAuthorization: Digest x\r\n" in second
    assert first.partition(b"branch=")[2][:30] != second.partition(b"branch=")[2][:30]


def test_the_answer_to_the_latest_request_is_taken() -> None:
    asked = question()
    asked.next_request({})
    reply = asked.reply(answered("SIP/2.0 200 OK", "Allow: INVITE,", " REFER", "allow: BYE"))
    assert reply is not None
    assert reply.line == "200 OK"
    assert reply.methods == frozenset({"INVITE", "REFER", "BYE"})


@pytest.mark.parametrize(
    "message",
    [
        answered("SIP/2.0 100 Trying"),
        answered("SIP/2.0 401 Unauthorized", sequence="0 OPTIONS"),
        answered("SIP/2.0 200 OK", sequence="1 REGISTER"),
        answered("SIP/2.0 200 OK").replace(b"abc", b"another"),
        answered("OPTIONS sip:dialer@192.0.2.7 SIP/2.0"),
    ],
)
def test_other_messages_are_passed_over(message: bytes) -> None:
    asked = question()
    asked.next_request({})
    assert asked.reply(message) is None


@pytest.mark.parametrize("message", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\xff\xfe"])
def test_what_is_not_sip_is_said(message: bytes) -> None:
    with pytest.raises(NotSip):
        question().reply(message)


def test_an_element_names_itself_as_server_or_user_agent() -> None:
    assert Reply(200, "OK", (("User-Agent", "phone"), ("Server", "pbx 1"))).element == "pbx 1"
    assert Reply(200, "OK", (("user-agent", "phone"),)).element == "phone"
    assert Reply(200, "OK").element == ""


def test_an_absent_allow_header_is_not_an_empty_one() -> None:
    assert Reply(200, "OK").methods is None
    assert Reply(200, "OK", (("Allow", "INVITE"),)).methods == frozenset({"INVITE"})
