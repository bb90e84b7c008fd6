import pytest

from acd.lab.behaviour import (
    CONDUCTS,
    HANGS_UP_SECONDS,
    SENTENCES,
    Behaviour,
    Conduct,
    behaviour_of,
    table_lines,
)
from acd.lab.draws import Span

RING = Span(1.0, 4.0)


def of(number: str, draw: float = 0.0) -> Behaviour:
    return behaviour_of(number, ring=RING, draw=draw)


def test_every_last_digit_has_a_conduct_and_every_conduct_a_digit() -> None:
    assert "".join(sorted(CONDUCTS)) == "0123456789"
    assert sorted(CONDUCTS.values()) == sorted(Conduct)


def test_every_conduct_has_its_line_in_the_help() -> None:
    assert set(SENTENCES) == set(Conduct)
    assert len(table_lines()) == 10


@pytest.mark.parametrize("digit", CONDUCTS)
@pytest.mark.parametrize("seconds", range(10))
def test_every_ending_behaves_as_its_conduct_says(digit: str, seconds: int) -> None:
    behaviour = of(f"+4366012345{seconds}{digit}")

    assert behaviour.conduct is CONDUCTS[digit]
    if f" after n {'seconds'}" in SENTENCES[behaviour.conduct]:
        assert behaviour.final_seconds == seconds


@pytest.mark.parametrize(
    ("number", "status", "rings"),
    [
        ("+436601234530", 200, True),
        ("+436601234531", 486, False),
        ("+436601234532", None, True),
        ("+436601234533", 603, True),
        ("+436601234534", 404, False),
        ("+436601234535", 503, False),
        ("+436601234536", 200, True),
        ("+436601234537", 200, True),
        ("+436601234538", 200, True),
        ("+436601234539", 480, False),
        ("436601234531", 486, False),
    ],
)
def test_final_status(number: str, status: int | None, rings: bool) -> None:
    behaviour = of(number)

    assert (behaviour.final_status, behaviour.rings) == (status, rings)


def test_the_drawn_ring_time_lies_inside_the_span() -> None:
    assert of("+436601234598", 0.0).final_seconds == 1.0
    assert of("+436601234598", 0.5).final_seconds == 2.5


def test_only_the_machine_greets() -> None:
    assert [c for d, c in CONDUCTS.items() if of(f"+43660123450{d}").greets] == [Conduct.MACHINE]


def test_who_hangs_up_does_so_two_seconds_after_the_answer() -> None:
    assert of("+436601234506").stays_seconds == HANGS_UP_SECONDS == 2.0


@pytest.mark.parametrize("nobody", ["", "112", "123456", "+43660abc1230", "sales", "+", "٣٤٥٦٧٨٩٠"])
def test_what_is_no_number_does_not_exist(nobody: str) -> None:
    assert of(nobody).final_status == 404
