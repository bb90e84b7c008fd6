"""The API over TLS: its page for people, and what is too large for it."""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from pathlib import Path

import pytest
import trio

from acd.api.app import MOST_BYTES
from tests.acceptance.support.api import Api, open_api_engine, serve_api
from tests.acceptance.support.carrier import Carrier, dialing_installation
from tests.peers.addresses import Addresses
from tests.peers.certificates import make_certificate

pytestmark = pytest.mark.real

ADDRESSES = Addresses.free()
_LINK = re.compile(r"""(?:src|href|action|url)\s*[=(]\s*['"]?([^'">)]+)""")


async def test_it_is_served_over_tls_with_a_page_that_needs_no_internet(tmp_path: Path) -> None:
    nobody = Carrier(tmp_path / "carrier", ADDRESSES.carrier, ())
    installation = await dialing_installation(tmp_path, nobody, leads=1)
    await installation.succeed("acd campaign pause sample")
    certificate, key = make_certificate(tmp_path, name="127.0.0.1")
    files = (f'tls_certificate_file = "{certificate.name}"', f'tls_key_file = "{key.name}"')
    serve_api(installation, *files)
    async with open_api_engine(installation, authority=certificate) as (engine, api):
        (sample,) = await api.succeed("GET", "/v1/campaigns")
        assert sample["name"] == "sample"
        await assert_page(api)
        await assert_too_large_is_said(api)
        await trio.to_thread.run_sync(assert_no_http, api)
        assert await engine.end() == 0, engine.log()


async def assert_page(api: Api) -> None:
    page = await api.ask("GET", "/v1/docs", token="")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert _LINK.findall(page.body) == ["openapi.json"], "nothing is loaded from elsewhere"
    schema = await api.succeed("GET", "/v1/openapi.json", token="")
    for path in schema["paths"]:
        assert f"<td>{path}</td>" in page.body


async def assert_too_large_is_said(api: Api) -> None:
    body = "x" * (MOST_BYTES + 1)
    answer = await api.ask("POST", "/v1/campaigns/sample/leads", body)
    assert answer.status == 413
    assert answer.body == {"error": f"the body is larger than {MOST_BYTES} bytes", "problems": []}


def assert_no_http(api: Api) -> None:
    """Whoever speaks HTTP to it learns nothing; blocks."""
    with closing(Api(api.port).connect()) as plain:
        plain.request("GET", "/v1/docs")
        # It is closed on them, with or without a word of TLS before.
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            plain.getresponse()
