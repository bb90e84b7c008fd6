"""What an INVITE to us says, read from the message."""

from __future__ import annotations

import pytest

from acd.lines import CallerLine
from acd.settings import TrunkSettings
from acd.sip.invitation import account_for, answered_elsewhere, line_token, read_invitation
from acd.sip.plan import TrunkPlan, plan_trunks


def invite(uri: str = "sip:31@127.0.0.1:5062", *, sender: str, to: str = "<sip:31@pbx>") -> str:
    lines = (f"INVITE {uri} SIP/2.0", f"From: {sender}", f"To: {to}", "Call-ID: 1", "", "")
    return "\r\n".join(lines)


@pytest.mark.parametrize(
    ("sender", "number", "name"),
    [
        ('"Ann Example" <sip:+493012@pbx;user=phone>;tag=1', "+493012", "Ann Example"),
        ('"Ann \\"A\\" E" <sip:100@pbx>;tag=1', "100", 'Ann "A" E'),
        ("Ann <sips:ann%20e:secret@pbx>", "ann e", "Ann"),
        ("sip:100@pbx;tag=1", "100", ""),
        ("<tel:+493012;phone-context=x>", "+493012", ""),
        ('"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1', "", ""),
        ("<sip:pbx>", "", ""),
        ("nonsense", "", ""),
        ("", "", ""),
    ],
)
def test_who_calls(sender: str, number: str, name: str) -> None:
    read = read_invitation(invite(sender=sender))
    assert read.line == CallerLine(caller=number, caller_name=name, called="31")


def test_a_strangers_control_characters_and_length_are_cut() -> None:
    read = read_invitation(invite(sender=f'"\x1b[31m{"x" * 500}" <sip:1@pbx>'))
    assert read.line.caller_name == ("[31m" + "x" * 500)[:128]


def plans(*users_and_domains: tuple[str, str]) -> tuple[TrunkPlan, ...]:
    trunks = [
        TrunkSettings(name=f"t{index}", user=user, domain=domain)
        for index, (user, domain) in enumerate(users_and_domains)
    ]
    return plan_trunks(trunks, probe=None)


def test_the_contacts_line_says_whose_call_it_is_before_the_users_name_does() -> None:
    two = plans(("31", "127.0.0.1"), ("31", "127.0.0.2"))
    uri = f"sip:31@127.0.0.9:5062;ob;line={line_token('t1')}"
    found = account_for(read_invitation(invite(uri, sender="<sip:1@x>")), two)
    assert found is two[1]


@pytest.mark.parametrize(
    ("uri", "to", "place"),
    [
        ("sip:31@127.0.0.9", "<sip:31@127.0.0.2:5060>", 1),
        ("sip:31@127.0.0.9", "<sip:31@elsewhere>", 0),
        ("sip:32@127.0.0.9;line=abc", "<sip:31@127.0.0.2>", 2),
    ],
)
def test_without_it_the_users_name_and_the_domain_do(uri: str, to: str, place: int) -> None:
    three = plans(("31", "127.0.0.1"), ("31", "127.0.0.2:5060"), ("32", "127.0.0.1"))
    found = account_for(read_invitation(invite(uri, sender="<sip:1@x>", to=to)), three)
    assert found is three[place]


def test_a_name_of_nobody_is_nobodys() -> None:
    assert account_for(read_invitation(invite("sip:9@x", sender="")), plans(("31", "pbx"))) is None


@pytest.mark.parametrize(
    ("reasons", "elsewhere"),
    [
        ((), False),
        (('SIP;cause=200;text="Call completed elsewhere"',), True),
        (("Q.850;cause=26", "SIP ;cause=200"), True),
        (("Q.850;cause=26",), True),
        (('Q.850;cause=16,SIP;cause=200;text="x"',), True),
        (("Q.850;cause=16", "SIP;cause=487"), False),
        (("Q.850;cause=200",), False),
    ],
)
def test_a_cancel_tells_whether_another_phone_answered(
    reasons: tuple[str, ...], *, elsewhere: bool
) -> None:
    lines = ["CANCEL sip:31@x SIP/2.0", *(f"Reason: {reason}" for reason in reasons), "", ""]
    assert answered_elsewhere("\r\n".join(lines)) is elsewhere
