from __future__ import annotations

import socket
import urllib.error
import urllib.request

import pytest
import trio
from prometheus_client import CollectorRegistry, Counter
from pydantic import SecretStr

from acd.api.server import metrics_app, open_server
from acd.errors import AddressInUse
from acd.settings import MetricsSettings


def registry_with_a_count() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("acd_probe", "Counts one thing.", registry=registry).inc()
    return registry


async def get(url: str, token: str = "") -> tuple[int, str]:
    def fetch() -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http to our own server
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""

    return await trio.to_thread.run_sync(fetch)


async def test_the_registry_is_served_on_metrics_and_nothing_else() -> None:
    app = metrics_app(registry_with_a_count())
    async with open_server(app, MetricsSettings(port=0), name="metrics") as address:
        status, page = await get(f"{address}/metrics")
        assert (status, "acd_probe_total 1.0" in page) == (200, True)
        assert (await get(f"{address}/other"))[0] == 404


async def test_a_token_is_asked_for_where_one_is_set() -> None:
    app = metrics_app(registry_with_a_count())
    settings = MetricsSettings(port=0, token=SecretStr("open-sesame"))
    async with open_server(app, settings, name="metrics") as address:
        assert (await get(f"{address}/metrics"))[0] == 401
        assert (await get(f"{address}/metrics", "wrong"))[0] == 401
        assert (await get(f"{address}/metrics", "open-sesame"))[0] == 200


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = MetricsSettings(port=taken.getsockname()[1])
        with pytest.raises(AddressInUse, match=r"\[metrics\] cannot listen on 127.0.0.1 port"):
            async with open_server(metrics_app(CollectorRegistry()), settings, name="metrics"):
                pass
