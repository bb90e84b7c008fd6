"""`frozen` gives what `@dataclass(frozen=True)` gives, but for the check at run time."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import asdict, replace

import pytest

from acd.frozen import frozen


@frozen()
class Moment:
    """By place."""

    at_seconds: float
    what: str = ""


@frozen(kw_only=True)
class Person:
    """By name."""

    number: str


def test_equal_values_are_one_key() -> None:
    assert {Moment(1.0, "up"): 1}[replace(Moment(2.0, "up"), at_seconds=1.0)] == 1
    assert Moment(1.0) != Moment(2.0)
    assert asdict(Moment(1.0)) == {"at_seconds": 1.0, "what": ""}


def test_there_is_room_for_no_other_field() -> None:
    with pytest.raises(AttributeError, match="other"):
        object.__setattr__(Moment(1.0), "other", 1)


def test_fields_by_name_only() -> None:
    person: Callable[..., Person] = Person
    with pytest.raises(TypeError, match="positional"):
        person("1")
    assert copy(person(number="1")) == person(number="1")
