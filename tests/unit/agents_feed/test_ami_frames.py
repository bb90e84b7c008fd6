from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.agents_feed.ami_frames import (
    MAX_PACKET_BYTES,
    Frames,
    GarbledError,
    challenge_key,
    encode,
)

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
STREAM = (
    GREETING
    + b"Response: Success\r\nActionID: 1\r\nMessage: Authentication accepted\r\n\r\n"
    + b"Event: DeviceStateChange\r\nDevice: PJSIP/101\r\nState: NOT_INUSE\r\n\r\n"
    + b"Event: QueueMemberPause\r\nPausedReason: \r\nMemberName: a: b\r\n\r\n"
)
WHOLE = [
    {"Response": "Success", "ActionID": "1", "Message": "Authentication accepted"},
    {"Event": "DeviceStateChange", "Device": "PJSIP/101", "State": "NOT_INUSE"},
    {"Event": "QueueMemberPause", "PausedReason": "", "MemberName": "a: b"},
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_packets_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    frames = Frames()
    pieces = [STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
    assert [packet for piece in pieces for packet in frames.take(piece)] == WHOLE


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_packet_or_said_to_be_garbled(data: bytes) -> None:
    frames = Frames()
    list(frames.take(GREETING))
    try:
        packets = list(frames.take(data))
    except GarbledError:
        return
    assert (
        len(packets) == data.count(b"\r\n\r\n") or b"\r\n\r\n\r\n" in data or b"\n\r\n\r\n" in data
    )


def test_another_protocol_is_no_manager_interface() -> None:
    with pytest.raises(GarbledError, match="no Asterisk manager"):
        list(Frames().take(b"SSH-2.0-OpenSSH_9.2\r\n"))


def test_a_packet_without_an_end_is_given_up() -> None:
    frames = Frames()
    list(frames.take(GREETING))
    with pytest.raises(GarbledError, match=str(MAX_PACKET_BYTES)):
        list(frames.take(b"Event: " + b"x" * MAX_PACKET_BYTES))


def test_an_action_is_lines_and_an_empty_line() -> None:
    assert encode("Ping", {"ActionID": "7"}) == b"Action: Ping\r\nActionID: 7\r\n\r\n"


def test_a_value_cannot_smuggle_in_a_field() -> None:
    with pytest.raises(ValueError, match="line break"):
        encode("Login", {"Username": "acd\r\nSecret: x"})


def test_the_challenge_is_answered_without_the_secret() -> None:
    # RFC 1321's test vector: MD5 of "message digest".
    assert challenge_key("message ", "digest") == "f96b697d7cb7938d525a2f31aaf161d0"
