"""The rows about the PBX, from what it answered: what is said, and what is advised."""

from __future__ import annotations

from typing import Any

import pytest

from acd.doctor.asking import Answer, first_hop
from acd.doctor.messages import Reply
from acd.doctor.pbx import Asked, credentials_row, options_row, refer_row
from acd.settings import TrunkSettings


def trunk(**keys: Any) -> TrunkSettings:
    return TrunkSettings.model_validate({"domain": "pbx.example.com", "user": "dialer"} | keys)


def asked(
    options: Answer | str = "silent",
    register: Answer | str = "silent",
    of: TrunkSettings | None = None,
) -> Asked:
    return Asked(of or trunk(), options, register)


def reply(line: str, **headers: str) -> Reply:
    status, _, reason = line.partition(" ")
    return Reply(int(status), reason, tuple(headers.items()))


def test_an_answer_to_options_names_the_element() -> None:
    row = options_row(asked(Answer(reply("200 OK", Server="Asterisk PBX 22"))))
    assert row.ok
    assert row.detail == "Asterisk PBX 22 answered 200 OK"


@pytest.mark.parametrize("line", ["401 Unauthorized", "404 Not Found", "501 Not Implemented"])
def test_a_refusal_shows_that_the_pbx_is_there(line: str) -> None:
    assert options_row(asked(Answer(reply(line)))).ok


@pytest.mark.parametrize("line", ["503 Service Unavailable", "408 Request Timeout"])
def test_a_pbx_that_says_it_is_down_fails_the_row(line: str) -> None:
    row = options_row(asked(Answer(reply(line))))
    assert not row.ok
    assert line in row.detail
    assert row.remedy


def test_silence_fails_all_three_rows() -> None:
    silent = asked()
    rows = [row(silent) for row in (options_row, credentials_row, refer_row)]
    assert not any(row.ok for row in rows)
    assert all(row.remedy for row in rows)


def test_credentials_that_were_asked_for_and_taken_are_ok() -> None:
    row = credentials_row(asked(register=Answer(reply("200 OK"), realm="asterisk")))
    assert row.ok
    assert row.detail == 'accepted in realm "asterisk" (REGISTER: 200 OK)'


def test_credentials_that_were_refused_fail_with_who_and_where() -> None:
    refused = Answer(reply("401 Unauthorized"), realm="asterisk", refused=True)
    row = credentials_row(asked(register=refused, of=trunk(auth_user="dialer-auth")))
    assert not row.ok
    assert 'refused with 401 Unauthorized for dialer-auth in realm "asterisk"' in row.detail


def test_403_without_a_challenge_is_a_refusal() -> None:
    assert not credentials_row(asked(register=Answer(reply("403 Forbidden")))).ok


def test_405_to_register_fails_only_where_the_account_is_to_register() -> None:
    answer = Answer(reply("405 Method Not Allowed"))
    row = credentials_row(asked(register=answer))
    assert not row.ok
    assert "register = false" in row.remedy
    assert credentials_row(asked(register=answer, of=trunk(register=False))).ok


@pytest.mark.parametrize("line", ["200 OK", "404 Not Found", "405 No", "503 Service Unavailable"])
def test_a_password_that_nobody_asked_for_is_not_proved(line: str) -> None:
    of = trunk(register=False)
    row = credentials_row(asked(Answer(reply("200 OK")), Answer(reply(line)), of=of))
    assert row.ok
    assert row.detail.startswith("not proved: nobody asked for the password; ")
    assert "--load 1" in row.detail
    assert row.detail.endswith(f"(REGISTER: {line})")


def test_a_password_that_options_asked_for_and_took_is_proved() -> None:
    taken = Answer(reply("200 OK"), realm="asterisk")
    row = credentials_row(asked(taken, Answer(reply("405 No")), of=trunk(register=False)))
    assert row.detail == 'accepted in realm "asterisk" (REGISTER: 405 No)'
    refused = Answer(reply("401 No"), realm="asterisk", refused=True)
    row = credentials_row(asked(refused, Answer(reply("405 No")), of=trunk(register=False)))
    assert row.detail.startswith("not proved: ")


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        (Answer(reply("401 No"), "asterisk", unanswered="no password is set"), "password_file"),
        (
            Answer(reply("401 No"), "asterisk", unanswered='its realm is "asterisk" and'),
            "realm_check = false",
        ),
        (Answer(reply("401 No"), unanswered="it asks for a kind of digest"), "MD5 or SHA-256"),
    ],
)
def test_a_challenge_left_unanswered_says_what_to_set(answer: Answer, remedy: str) -> None:
    row = credentials_row(asked(register=answer))
    assert not row.ok
    assert remedy in row.remedy


def test_refer_in_allow_is_ok_and_names_the_element() -> None:
    row = refer_row(asked(Answer(reply("200 OK", Server="Asterisk", Allow="INVITE, REFER"))))
    assert row.ok
    assert row.detail == "Asterisk allows REFER"


def test_allow_without_refer_fails_and_lists_what_is_allowed() -> None:
    row = refer_row(asked(Answer(reply("200 OK", Server="SBC 7", Allow="INVITE, BYE"))))
    assert not row.ok
    assert row.detail == "SBC 7 allows BYE, INVITE, no REFER"


def test_a_proxy_that_does_not_say_is_asked_past() -> None:
    row = refer_row(asked(Answer(reply("200 OK", Server="kamailio (5.8.2)"))))
    assert not row.ok
    assert "kamailio (5.8.2) answered 200 OK and does not say what it allows" in row.detail
    assert "--to EXTENSION" in row.remedy


@pytest.mark.parametrize(
    ("keys", "hop"),
    [
        ({}, "pbx.example.com:5060"),
        ({"transport": "tls"}, "pbx.example.com:5061"),
        ({"domain": "192.0.2.1:5070"}, "192.0.2.1:5070"),
        ({"outbound_proxy": "sbc.example.com"}, "sbc.example.com:5060"),
        ({"domain": "[2001:db8::1]:5070"}, "[2001:db8::1]:5070"),
        ({"domain": "[2001:db8::1]"}, "[2001:db8::1]:5060"),
    ],
)
def test_the_first_hop_is_the_proxy_or_the_domain(keys: dict[str, Any], hop: str) -> None:
    assert str(first_hop(trunk(**keys))) == hop
