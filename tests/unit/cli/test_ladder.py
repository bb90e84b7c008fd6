from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acd.cli.ladder import harmless, in_short, ladder
from acd.logs.sip_trace import TracedMessage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "short"),
    [
        ("INVITE sip:100@pbx SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n", "INVITE"),
        ("SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\n\r\n", "180 Ringing (INVITE)"),
        ("SIP/2.0 486 Busy Here\r\n\r\n", "486 Busy Here"),
        ("REFER sip:1@pbx SIP/2.0\r\nRefer-To: <sip:101@pbx>\r\n\r\n", "REFER 101@pbx"),
        (
            "NOTIFY sip:acd@us SIP/2.0\r\nEvent: refer\r\n\r\nSIP/2.0 200 OK\r\n",
            "NOTIFY SIP/2.0 200 OK",
        ),
        ("", ""),
    ],
)
def test_a_message_is_said_in_a_few_words(message: str, short: str) -> None:
    assert in_short(message) == short


def test_a_ladder_shows_who_said_what_and_when() -> None:
    messages = [
        TracedMessage(NOON + timedelta(seconds=at), sent, "UDP 192.0.2.1:5060", text)
        for at, sent, text in [
            (0, True, "INVITE sip:100@pbx SIP/2.0\r\n\r\n"),
            (0.012, False, f"SIP/2.0 183 {'long ' * 20}\r\nCSeq: 1 INVITE\r\n\r\n"),
        ]
    ]
    first, second = ladder(messages)
    assert first.startswith("   0.000  acd ── INVITE ──")
    assert first.endswith("─▶ UDP 192.0.2.1:5060")
    assert second.startswith("   0.012  acd ◀──")
    assert "…" in second
    assert len(first) == len(second)


def test_what_a_pbx_wrote_cannot_drive_a_terminal() -> None:
    assert (
        harmless("603 \x1b[31mNein\x1b]0;x\x07 äß ─▶") == "603 \ufffd[31mNein\ufffd]0;x\ufffd äß ─▶"
    )
