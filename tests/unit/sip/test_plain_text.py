from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.sip.plain_text import cseq_of, plain_text


@given(st.binary())
def test_whatever_bytes_swig_was_given_can_be_written_down(data: bytes) -> None:
    text = plain_text(data.decode("utf-8", "surrogateescape"))
    assert text == data.decode("utf-8", "replace")
    assert text.encode().decode() == text


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ("REFER sip:a@b SIP/2.0\r\nCSeq: 4711 REFER\r\n\r\n", 4711),
        ("REFER sip:a@b SIP/2.0\r\ncseq :1 REFER\r\n\r\n", 1),
        ("REFER sip:a@b SIP/2.0\r\n\r\n", 0),
    ],
)
def test_the_cseq_is_its_number(message: str, number: int) -> None:
    assert cseq_of(message) == number
