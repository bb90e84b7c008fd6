from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.lines import Destination, DestinationKind, Door, DoorRule, Refused
from acd.numbers import (
    PhoneNumber,
    begins_like_emergency,
    digits_of,
    is_emergency,
    read_number,
)
from acd.settings import DestinationSettings, NumberFormat, TrunkSettings

LEAD_KINDS = [DestinationKind.LEAD, DestinationKind.CALLBACK, DestinationKind.REDIRECT]


def door(
    *, number_format: NumberFormat = NumberFormat.PLUS, prefix: str = "", **destinations: Any
) -> Door:
    trunk = TrunkSettings(domain="pbx", user="1", number_format=number_format, number_prefix=prefix)
    return Door(DestinationSettings.model_validate(destinations), trunk)


@pytest.mark.parametrize("kind", LEAD_KINDS)
def test_a_number_of_an_allowed_region_passes_in_the_trunks_format(kind: DestinationKind) -> None:
    plus = door().admit("01/505641", kind)
    assert plus == Destination(kind=kind, user="+431505641")
    zeros = door(number_format=NumberFormat.DOUBLE_ZERO, prefix="0").admit("01/505641", kind)
    assert zeros == Destination(kind=kind, user="000431505641")


@pytest.mark.parametrize("kind", LEAD_KINDS)
@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("112", DoorRule.EMERGENCY),
        ("+43 112", DoorRule.EMERGENCY),
        ("tel:112", DoorRule.EMERGENCY),
        ("0900 123456", DoorRule.PREMIUM),
        ("0810 123456", DoorRule.PREMIUM),
        ("+49 30 23125001", DoorRule.REGION),
        ("+800 1234 5678", DoorRule.REGION),
        ("118", DoorRule.INVALID),
        ("201", DoorRule.INVALID),
        ("sales", DoorRule.INVALID),
        ("", DoorRule.INVALID),
    ],
)
def test_a_leads_number_that_must_not_be_dialed_is_refused_by_rule(
    text: str, rule: DoorRule, kind: DestinationKind
) -> None:
    answer = door().admit(text, kind)
    assert isinstance(answer, Refused), answer
    assert answer.rule in (rule, DoorRule.SHORT_CODE)


def test_a_refusal_shows_no_full_number() -> None:
    answer = door().admit("+49 30 23125001", DestinationKind.LEAD)
    assert isinstance(answer, Refused)
    assert "3023125001" not in answer.sentence
    assert "AT" in answer.sentence


@pytest.mark.parametrize(
    "target", ["201", "sales", "q-10", "sip:201@pbx.example", "sips:q@10.0.0.1:5061;transport=tls"]
)
def test_extensions_queues_and_uris_pass_as_transfer_targets(target: str) -> None:
    answer = door().admit(target, DestinationKind.TRANSFER)
    assert isinstance(answer, Destination)
    assert answer.uri == (target if ":" in target else "")


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("112", DoorRule.EMERGENCY),
        ("１１２", DoorRule.EMERGENCY),  # noqa: RUF001 # full width
        ("911", DoorRule.EMERGENCY),
        ("133", DoorRule.EMERGENCY),
        ("sip:112@pbx.example", DoorRule.EMERGENCY),
        ("tel:112", DoorRule.EMERGENCY),
        ("+43133", DoorRule.EMERGENCY),
        ("0900123456", DoorRule.PREMIUM),
        ("sip:0900123456@pbx", DoorRule.PREMIUM),
        ("sip:201@pbx?Replaces=x", DoorRule.GRAMMAR),
        ("201\r\nVia: x", DoorRule.GRAMMAR),
        ("<sip:201@pbx>", DoorRule.GRAMMAR),
        ("sip:%31%31%32@pbx", DoorRule.GRAMMAR),
        ("*72201", DoorRule.GRAMMAR),
        ("", DoorRule.GRAMMAR),
    ],
)
def test_transfer_targets_outside_the_grammar_are_refused(target: str, rule: DoorRule) -> None:
    answer = door().admit(target, DestinationKind.TRANSFER)
    assert isinstance(answer, Refused), answer
    assert answer.rule is rule


def test_a_prefix_does_not_hide_an_emergency_number() -> None:
    answer = door(prefix="0").admit("0112", DestinationKind.TRANSFER)
    assert isinstance(answer, Refused)
    assert answer.rule is DoorRule.EMERGENCY


def test_the_allow_list_opens_everything_but_emergency() -> None:
    opened = door(allow=["9001", "+493023125001", "112"])
    assert opened.admit("9001", DestinationKind.LEAD) == Destination(
        kind=DestinationKind.LEAD, user="9001"
    )
    assert isinstance(opened.admit("+49 30 23125001", DestinationKind.LEAD), Destination)
    assert isinstance(opened.admit("112", DestinationKind.LEAD), Refused)


def test_a_dial_string_that_begins_like_an_emergency_call_is_refused() -> None:
    """+91 1… without its plus reaches 911 on a PBX that dials digit by digit."""
    text = "+91 11 2345 6789"
    regions: dict[str, Any] = {"default_region": "US", "allowed_regions": ["US", "IN"]}
    digits = door(number_format=NumberFormat.DIGITS, **regions)
    answer = digits.admit(text, DestinationKind.LEAD)
    assert isinstance(answer, Refused)
    assert answer.rule is DoorRule.EMERGENCY
    assert isinstance(door(**regions).admit(text, DestinationKind.LEAD), Destination)
    number = read_number(text, default_region="US")
    assert isinstance(number, PhoneNumber)
    assert digits.refusal(number) == answer
    assert door(**regions).refusal(number) is None


@given(
    text=st.text(alphabet="0123456789+*# -/()sip:@.１２", max_size=16),  # noqa: RUF001 # full width
    kind=st.sampled_from(DestinationKind),
    number_format=st.sampled_from(NumberFormat),
)
def test_nothing_that_reaches_help_is_ever_let_through(
    text: str, kind: DestinationKind, number_format: NumberFormat
) -> None:
    answer = door(number_format=number_format).admit(text, kind)
    if isinstance(answer, Destination):
        user = answer.user
        assert not is_emergency(user, ("AT",)), user
        assert not is_emergency(digits_of(user), ("AT",)) or not user.isdigit()
        if kind is not DestinationKind.TRANSFER:
            assert not begins_like_emergency(user, ("AT",))


@pytest.mark.parametrize("text", ["112p", "T112", "112w1", "P 112", "sip:112p@pbx.example.com"])
def test_an_emergency_number_among_dialing_signs_is_refused(text: str) -> None:
    refused = door().admit(text, DestinationKind.TRANSFER)
    assert isinstance(refused, Refused)


def test_a_door_goes_to_another_process_as_it_is() -> None:
    door = Door(DestinationSettings(default_region="AT", allow=("+491805123456",)))
    there = pickle.loads(pickle.dumps(door))  # noqa: S301 # our own bytes, of a line before
    for text in ("+43 664 1234567", "+491805123456", "+4990012345", "112"):
        assert there.admit(text, DestinationKind.LEAD) == door.admit(text, DestinationKind.LEAD)
    assert there.admit("101", DestinationKind.TRANSFER).user == "101"


@pytest.mark.parametrize(
    "target", ["7001", "sales", "+431505641", "01505641", "sip:7001@pbx", "sip:q@PBX:5060"]
)
def test_a_program_may_ask_for_who_is_near(target: str) -> None:
    assert isinstance(door().admit_asked(target), Destination)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("+493023125001", DoorRule.REGION),
        ("00493023125001", DoorRule.REGION),
        ("sip:+493023125001@pbx", DoorRule.REGION),
        ("sip:7001@elsewhere.example.com", DoorRule.REGION),
        ("0900123456", DoorRule.PREMIUM),
        ("112", DoorRule.EMERGENCY),
    ],
)
def test_what_a_program_asks_for_is_held_against_the_rules_for_leads(
    target: str, rule: DoorRule
) -> None:
    refused = door().admit_asked(target)
    assert isinstance(refused, Refused)
    assert refused.rule is rule


def test_what_the_operator_allows_a_program_may_ask_for() -> None:
    allowed = door(allow=["+493023125001"]).admit_asked("+493023125001")
    assert isinstance(allowed, Destination)
    assert isinstance(door(allowed_regions=["AT", "DE"]).admit_asked("+493023125001"), Destination)


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("+43 1 505641", "+431505641"),
        ("01/505641", "+431505641"),
        ("0043-1-505641", "+431505641"),
        ("2001", None),
        ("sales", None),
        ("112", None),
    ],
)
def test_what_a_redirects_destination_dials_is_a_number_or_none(
    text: str, e164: str | None
) -> None:
    assert Door(DestinationSettings(default_region="AT")).number_of(text) == e164


@given(
    text=st.builds("+{}".format, st.text("0123456789", min_size=1, max_size=16)),
    kind=st.sampled_from(DestinationKind),
    number_format=st.sampled_from(NumberFormat),
)
def test_the_short_way_for_written_out_numbers_leads_where_the_long_one_does(
    text: str, kind: DestinationKind, number_format: NumberFormat
) -> None:
    short = door(number_format=number_format).admit(text, kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("acd.lines.door.is_written_out", lambda _: False)
        assert door(number_format=number_format).admit(text, kind) == short
