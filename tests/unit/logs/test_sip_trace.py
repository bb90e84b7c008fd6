from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from acd.logs.sip_trace import SipTrace, TracedMessage, TraceFilter, read_trace, redacted
from acd.settings import SipTraceSettings, TrunkSettings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "4f1c0de5ec2e7"
INVITE = (
    "INVITE sip:43150564100@pbx.example.com SIP/2.0\r\n"
    "From: <sip:43720000@pbx.example.com>;tag=1\r\n"
    "To: <sip:43150564100@pbx.example.com>\r\n"
    "Call-ID: abc@here\r\n"
    f'Authorization: Digest username="acd", response="{SECRET}",\r\n cnonce="{SECRET}"\r\n'
    "Content-Length: 0\r\n\r\n"
)
REGISTER = (
    "REGISTER sip:pbx.example.com SIP/2.0\r\nFrom: <sip:acd@pbx.example.com>;tag=2\r\n"
    "To: <sip:acd@pbx.example.com>\r\nCall-ID: reg@here\r\n\r\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> SipTraceSettings:
    return SipTraceSettings(file=tmp_path / "trace.jsonl", file_megabytes=0.01, old_files=1)


@pytest.fixture
def trace(settings: SipTraceSettings) -> SipTrace:
    return SipTrace(settings, [TrunkSettings(domain="pbx.example.com", user="acd")])


def message(text: str, *, seconds: float = 0) -> TracedMessage:
    return TracedMessage(NOON + timedelta(seconds=seconds), True, "UDP 192.0.2.1:5060", text)


def written(settings: SipTraceSettings) -> list[dict[str, str]]:
    return [json.loads(line) for line in settings.file.read_text().splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        INVITE,
        INVITE.replace("Authorization", "Proxy-Authorization"),
        INVITE.replace("Authorization:", "proxy-authorization :"),
        INVITE.replace("\r\n", "\n"),
        f"INVITE sip:1@a SIP/2.0\r\nContact: <sip:acd:{SECRET}@192.0.2.1>\r\n\r\n",
        f"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}|2^31\r\nm=audio\r\n",
        f"v=0\r\nk=base64:{SECRET}\r\nm=audio\r\n",
    ],
)
def test_nothing_that_proves_who_we_are_stays_in_a_message(text: str) -> None:
    assert SECRET not in redacted(text)
    assert redacted(text).splitlines()[-1] == text.splitlines()[-1], "what follows stays"


def test_a_message_says_whose_call_it_is(trace: SipTrace, settings: SipTraceSettings) -> None:
    trace.start(TraceFilter())
    trace.name_dialog("abc@here", call="a17", trunk="main")
    trace.take(message(INVITE))
    trace.take(message(REGISTER))
    trace.stop()
    call, register = written(settings)
    assert (call["call"], call["trunk"], call["sip_call_id"]) == ("a17", "main", "abc@here")
    assert (register["call"], register["trunk"]) == ("", "main")
    assert stat.S_IMODE(settings.file.stat().st_mode) == 0o600
    (read,) = read_trace(settings.file, call="a17")
    assert read.at == NOON
    assert read.message == redacted(INVITE)


@pytest.mark.parametrize("header", ["Authorization", "Proxy-Authorization"])
def test_what_is_shown_of_a_trace_has_no_credentials_either(
    settings: SipTraceSettings, header: str
) -> None:
    told = message(INVITE.replace("Authorization", header), seconds=1)
    settings.file.write_text(replace(told, call="a17").as_json_line() + "\n")
    assert SECRET in settings.file.read_text(), "written by somebody else"
    (read,) = read_trace(settings.file, call="a17")
    assert SECRET not in read.message
    assert f"{header}: (removed)" in read.message


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        (TraceFilter(trunks=frozenset({"main"})), 2),
        (TraceFilter(trunks=frozenset({"other"})), 0),
        (TraceFilter(calls=frozenset({"a17"})), 1),
        (TraceFilter(calls=frozenset({"a1"})), 0),
        (TraceFilter(numbers=frozenset({"+43150564100"})), 1),
        (TraceFilter(numbers=frozenset({"0150564100"})), 1),
        (TraceFilter(numbers=frozenset({"100"})), 0),
        (TraceFilter(numbers=frozenset({"acd"})), 1),
        (TraceFilter(calls=frozenset({"a17"}), numbers=frozenset({"acd"})), 2),
    ],
)
def test_only_what_was_asked_for_is_written(
    trace: SipTrace, settings: SipTraceSettings, wanted: TraceFilter, seen: int
) -> None:
    trace.start(wanted)
    trace.name_dialog("abc@here", call="a17", trunk="main")
    trace.take(message(INVITE))
    trace.take(message(REGISTER))
    assert len(written(settings)) == seen


def test_the_trace_has_a_bounded_size_and_the_newest_messages(
    trace: SipTrace, settings: SipTraceSettings
) -> None:
    trace.start(TraceFilter())
    trace.name_dialog("abc@here", call="a17", trunk="main")
    for number in range(100):
        trace.take(message(INVITE, seconds=number))
    sizes = {path.name: path.stat().st_size for path in settings.file.parent.iterdir()}
    assert set(sizes) == {"trace.jsonl", "trace.jsonl.1"}
    assert max(sizes.values()) <= 10_000
    kept = [(each.at - NOON).total_seconds() for each in read_trace(settings.file, call="a17")]
    assert kept == sorted(kept)
    assert kept[-1] == 99


def test_while_it_is_off_there_is_no_file(trace: SipTrace, settings: SipTraceSettings) -> None:
    trace.take(message(INVITE))
    assert not settings.file.exists()


def test_a_full_disk_ends_the_trace_and_nothing_else(trace: SipTrace) -> None:
    trace.start(TraceFilter())
    assert trace._file is not None
    trace._file.close()
    with capture_logs() as lines:
        trace.take(message(INVITE))
        trace.take(message(INVITE))
    assert not trace.on
    assert [line["action"] for line in lines] == ["sip_trace.off", "sip_trace.broken"]


def test_a_line_that_a_crash_cut_off_is_passed_over(
    trace: SipTrace, settings: SipTraceSettings
) -> None:
    trace.start(TraceFilter())
    trace.name_dialog("abc@here", call="a17", trunk="main")
    trace.take(message(INVITE))
    trace.stop()
    with settings.file.open("a") as file:
        file.write('{"at": "2026')
    assert len(read_trace(settings.file, call="a17")) == 1


def test_a_trace_that_is_not_there_has_no_messages_and_one_that_cannot_be_read_says_so(
    tmp_path: Path,
) -> None:
    assert read_trace(tmp_path / "none.jsonl", call="a17") == []
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(OSError, match="directory"):
        read_trace(tmp_path / "folder.jsonl", call="a17")
