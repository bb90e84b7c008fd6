"""`with_only` against SDP as pjsua writes it."""

from __future__ import annotations

from acd.settings import Codec
from acd.sip.offer import with_only

_BOTH = (
    "v=0\r\nm=audio 20000 RTP/SAVP 8 0 120\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:120 telephone-event/8000\r\na=crypto:1 key\r\n"
)


def test_codecs_of_another_trunk_leave_with_all_that_describes_them() -> None:
    told = with_only(_BOTH, [Codec.PCMU])
    assert "m=audio 20000 RTP/SAVP 0 120\r\n" in told
    assert "rtpmap:8 " not in told
    assert "a=crypto:1 key" in told


def test_the_trunks_order_is_kept() -> None:
    assert "SAVP 0 8 120\r\n" in with_only(_BOTH, [Codec.PCMU, Codec.PCMA])


def test_an_answer_that_would_be_empty_stays_for_pjsua_to_refuse() -> None:
    answer = _BOTH.replace("8 0 120", "8 120")
    assert with_only(answer, [Codec.PCMU]) == answer


def test_an_sdp_without_sound_stays_as_it_is() -> None:
    assert with_only("v=0\r\n", [Codec.PCMU]) == "v=0\r\n"
