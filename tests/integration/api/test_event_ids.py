"""Last-Event-ID of `/v1/events`, as no client of ours would send it."""

from __future__ import annotations

import http.client
from contextlib import closing

import pytest
import trio

from acd.api.stream import Bulletin
from tests.integration.api.test_slow_listener import TOKEN, serving


def first_lines(port: int, last_event_id: bytes) -> tuple[int, list[str]]:
    """The status, and what the stream begins with; blocks."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        headers = {"Authorization": f"Bearer {TOKEN}".encode(), "Last-Event-ID": last_event_id}
        connection.request("GET", "/v1/events", headers=headers)
        with closing(connection.getresponse()) as answer:
            if answer.status != 200:
                return answer.status, []
            return 200, [answer.readline().decode().strip() for _ in range(6)]


@pytest.mark.parametrize(
    "last_event_id",
    [
        b"1",
        b"-1",
        b"nobody-1",
        b"{name}-",
        b"{name}--1",
        b"{name}-1e3",
        b"{name}-\xb2",
        b"{name}-99999999999999999999999999999999999999",
        b"{name}-3",
    ],
)
async def test_an_id_of_which_nothing_is_known_is_answered_by_resync(last_event_id: bytes) -> None:
    bulletin = Bulletin()
    for number in range(2):
        bulletin.tell("campaign", {"number": number})
    name = bulletin.id_of(1).rpartition("-")[0].encode()
    sent = last_event_id.replace(b"{name}", name)
    async with serving(bulletin) as port:
        status, lines = await trio.to_thread.run_sync(first_lines, port, sent)
        bulletin.close()
    assert status == 200
    assert lines[3:] == [f"id: {bulletin.id_of(2)}", "event: resync", "data: {}"]


async def test_an_id_that_is_too_long_is_refused() -> None:
    bulletin = Bulletin()
    async with serving(bulletin) as port:
        assert await trio.to_thread.run_sync(first_lines, port, b"1" * 65) == (422, [])
