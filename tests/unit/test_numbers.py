from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import shortnumberinfo

from acd.numbers import (
    EVERYWHERE_EMERGENCY,
    NumberKind,
    NumberRefused,
    NumberRule,
    PhoneNumber,
    begins_like_emergency,
    dial_string,
    digits_of,
    is_emergency,
    masked,
    read_number,
    split_cell,
)

VIENNA = "+431505641"


@pytest.mark.parametrize(
    "text",
    [
        "+43 (1) 505641",
        "0043-1-505641",
        "01/505641",
        "01 / 505641",
        "(01) 505 641",
        "tel:+43-1-505641",
        "TEL:+43-1-505641",
        "+431505641",
        "'+431505641",
        "\u200e+43 1 505641\u00a0",
        "＋４３ １ ５０５６４１",  # noqa: RUF001 - full-width, as Japanese keyboards write them
        "٠١٥٠٥٦٤١",
        "01–505641",  # noqa: RUF001 - an en dash
    ],
)
def test_numbers_as_people_write_them_become_e164(text: str) -> None:
    number = read_number(text, default_region="AT")
    assert isinstance(number, PhoneNumber)
    assert (number.e164, number.region, number.kind) == (VIENNA, "AT", NumberKind.FIXED)
    assert number.zones == ("Europe/Vienna",)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", NumberRule.EMPTY),
        ("  \u200b ", NumberRule.EMPTY),
        ("4.31505641E+11", NumberRule.DAMAGED),
        ("4,31505641E+11", NumberRule.DAMAGED),
        ("431505641.0", NumberRule.DAMAGED),
        ("112", NumberRule.EMERGENCY),
        ("1 1 2", NumberRule.EMERGENCY),
        ("１１２", NumberRule.EMERGENCY),  # noqa: RUF001 # full width
        ("911", NumberRule.EMERGENCY),
        ("+43112", NumberRule.EMERGENCY),
        ("+43133", NumberRule.EMERGENCY),
        ("144", NumberRule.EMERGENCY),
        ("01/505641 ext. 12", NumberRule.EXTENSION),
        ("01/505641 DW 12", NumberRule.EXTENSION),
        ("01/505641 Büro", NumberRule.LETTERS),
        ("0800 FLOWERS", NumberRule.LETTERS),
        ("unbekannt", NumberRule.LETTERS),
        ("+43", NumberRule.INVALID),
        ("1234", NumberRule.SHORT_CODE),
        ("+999 123456", NumberRule.INVALID),
        ("-", NumberRule.INVALID),
        ("0" * 200, NumberRule.INVALID),
    ],
)
def test_what_is_no_number_is_refused_by_name(text: str, rule: NumberRule) -> None:
    answer = read_number(text, default_region="AT")
    assert isinstance(answer, NumberRefused), answer
    assert answer.rule is rule


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("0664 1234567", NumberKind.MOBILE),
        ("0900 123456", NumberKind.PREMIUM),
        ("0800 123456", NumberKind.TOLL_FREE),
        ("0810 123456", NumberKind.SHARED_COST),
    ],
)
def test_a_number_knows_its_kind(text: str, kind: NumberKind) -> None:
    number = read_number(text, default_region="AT")
    assert isinstance(number, PhoneNumber)
    assert number.kind is kind


def test_a_prefix_of_several_zones_gives_all_of_them() -> None:
    number = read_number("+61 412 345 678", default_region="AT")
    assert isinstance(number, PhoneNumber)
    assert {"Australia/Perth", "Australia/Sydney"} <= set(number.zones)


def test_a_number_of_no_region_has_no_zone() -> None:
    number = read_number("+800 1234 5678", default_region="AT")
    assert isinstance(number, PhoneNumber)
    assert (number.region, number.zones) == ("", ())


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("01/505641", ["01/505641"]),
        ("01 / 505641", ["01 / 505641"]),
        ("01/505641; 0664/1234567", ["01/505641", "0664/1234567"]),
        ("01/505641\n0664/1234567", ["01/505641", "0664/1234567"]),
        ("01505641 / 06641234567", ["01505641", "06641234567"]),
        ("01505641, 06641234567", ["01505641", "06641234567"]),
        ("+43 1 505641 +43 664 1234567", ["+43 1 505641", "+43 664 1234567"]),
        ("01/505641 oder 0664/1234567", ["01/505641", "0664/1234567"]),
        ("  ", []),
    ],
)
def test_a_cell_is_divided_where_two_numbers_stand_in_it(cell: str, parts: list[str]) -> None:
    assert split_cell(cell, default_region="AT") == parts


@pytest.mark.parametrize(
    ("number_format", "prefix", "dialed"),
    [("+", "", "+431505641"), ("00", "", "00431505641"), ("digits", "9", "9431505641")],
)
def test_a_trunk_gets_numbers_in_its_own_format(
    number_format: str, prefix: str, dialed: str
) -> None:
    assert dial_string(VIENNA, number_format, prefix) == dialed


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_masked_number_never_shows_the_whole(e164: str) -> None:
    hidden = len(digits_of(e164)) - len(digits_of(masked(e164)))
    assert hidden >= 3


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_and_never_raises(text: str) -> None:
    for part in [text, *split_cell(text, default_region="AT")]:
        answer = read_number(part, default_region="AT")
        assert isinstance(answer, PhoneNumber | NumberRefused)
        if isinstance(answer, PhoneNumber):
            again = read_number(answer.e164, default_region="US")
            assert again == answer


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@given(
    digits=st.one_of(
        st.text("0123456789", max_size=15),
        # Around what reaches help somewhere, and with what is no digit of ours.
        st.builds(
            "{}{}".format,
            st.sampled_from(["112", "110", "133", "190", "911", "15"]),
            st.text("0123456789", max_size=4),
        ),
        st.text("0123456789+\u0663p-", max_size=6),
    ),
    regions=st.lists(st.sampled_from(REGIONS), max_size=3).map(tuple),
)
def test_numbers_that_begin_like_emergency_numbers_are_those_of_the_library(
    digits: str, regions: tuple[str, ...]
) -> None:
    theirs = any(shortnumberinfo.connects_to_emergency_number(digits, region) for region in regions)
    assert begins_like_emergency(digits, regions) == (digits.isdigit() and theirs)
    short = 0 < len(digits) <= 6
    assert is_emergency(digits, regions) == (short and (digits in EVERYWHERE_EMERGENCY or theirs))


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_knows_its_emergency_numbers_as_the_library_does(region: str) -> None:
    for number in range(10, 1200):
        for digits in (f"{number}", f"0{number}", f"{number}4711"):
            theirs = shortnumberinfo.connects_to_emergency_number(digits, region)
            assert begins_like_emergency(digits, (region,)) == theirs, digits


EXAMPLES = sorted(
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for region in REGIONS
    for kind in range(11)
    if (number := phonenumbers.example_number_for_type(region, kind)) is not None
)


def read_the_long_way(text: str) -> PhoneNumber | NumberRefused:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("acd.numbers.is_written_out", lambda _: False)
        return read_number(text, default_region="AT")


def test_an_example_of_each_kind_and_region_is_read_alike_the_short_and_the_long_way() -> None:
    assert len(EXAMPLES) > 1000
    for text in EXAMPLES:
        assert read_number(text, default_region="AT") == read_the_long_way(text), text


@given(
    text=st.one_of(
        st.builds("+{}".format, st.text("0123456789", min_size=6, max_size=16)),
        # Of a number that there is, a part and something else behind it.
        st.builds(
            lambda example, kept, rest: example[:kept] + rest,
            st.sampled_from(EXAMPLES),
            st.integers(2, 14),
            st.text("0123456789", max_size=10),
        ),
    )
)
def test_numbers_written_out_are_read_alike_the_short_and_the_long_way(text: str) -> None:
    assert read_number(text, default_region="AT") == read_the_long_way(text)
