"""What crosses to the SIP thread and back could cross to a process as well."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.sip import messages
from acd.sip.messages import Command, Report


def classes_of(union: object) -> Iterator[type]:
    """Its members; unions in it are taken apart."""
    for member in get_args(union):
        if get_args(member):
            yield from classes_of(member)
        else:
            yield member


MESSAGES = [*classes_of(Command), *classes_of(Report)]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_a_message_comes_out_of_a_pickle_as_it_went_in(kind: type, data: st.DataObject) -> None:
    # Not a number is not equal to itself.
    message = data.draw(st.from_type(kind).filter(lambda drawn: "nan" not in repr(drawn)))
    read = pickle.loads(pickle.dumps(message))  # noqa: S301 # of this line's own making
    assert read == message


def test_every_message_of_the_module_is_a_command_or_a_report() -> None:
    defined = {
        kind
        for kind in vars(messages).values()
        if isinstance(kind, type) and kind.__module__ == messages.__name__
    }
    assert defined == set(MESSAGES)
    assert all(dataclasses.is_dataclass(kind) for kind in defined)
