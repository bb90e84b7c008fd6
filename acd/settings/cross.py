"""Values of `acd.toml` that are wrong together although each would do alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from acd.settings.cross_tapi import check_tapi
from acd.settings.tables import ListenSettings, Settings, Transport, TrunkSettings
from acd.settings.wording import Finding, Loc

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound


def cross_check(settings: Settings) -> Iterator[Finding]:
    """Check tables against each other, and against the files that they name."""
    for index, trunk in enumerate(settings.trunk):
        yield from _check_trunk(trunk, ("trunk", index))
    yield from _check_same_trunk(settings.trunk)
    servers = (("metrics", settings.metrics), ("api", settings.api))
    for name, server in servers:
        yield from _check_server(server, name)
    yield from _check_same_server(settings.metrics, settings.api)
    yield from check_tapi(settings)


def _check_trunk(trunk: TrunkSettings, at: Loc) -> Iterator[Finding]:
    if trunk.rtp_port_max < trunk.rtp_port_min:
        yield Finding(
            (*at, "rtp_port_max"),
            f"{trunk.rtp_port_max} is below rtp_port_min, {trunk.rtp_port_min}",
            "allowed: a range with 2.5 ports or more a line",
        )
    if trunk.tls_ca_file is not None and not trunk.tls_ca_file.is_file():
        yield Finding(
            (*at, "tls_ca_file"),
            f"there is no file {trunk.tls_ca_file}",
            "allowed: a PEM file with the certificates to trust",
        )


def _check_same_trunk(trunks: Sequence[TrunkSettings]) -> Iterator[Finding]:
    for (first, one), (second, other) in combinations(enumerate(trunks), 2):
        if one.name == other.name:
            yield Finding(
                ("trunk", second, "name"),
                f'"{other.name}" is already the name of trunk[{first}]',
                "allowed: a name of its own for each [[trunk]]",
            )
        if _same_socket(one, other):
            yield Finding(
                ("trunk", second, "bind_port"),
                f"{other.bind_port} is already the bind_port of trunk[{first}]",
                "allowed: a port or bind_address of its own, or 0 for any free port",
            )


def _same_socket(one: TrunkSettings, other: TrunkSettings) -> bool:
    kinds = {one.transport is Transport.UDP, other.transport is Transport.UDP}
    addresses = {one.bind_address, other.bind_address}
    same_address = len(addresses) == 1 or bool(addresses & _EVERYWHERE)
    return one.bind_port == other.bind_port != 0 and len(kinds) == 1 and same_address


def _check_server(server: ListenSettings, name: str) -> Iterator[Finding]:
    if server.enabled and not server.on_loopback and not server.token.get_secret_value():
        yield Finding(
            (name, "bind_address"),
            f'"{server.bind_address}" can be reached from other machines and needs a token',
            'set token_env or token_file, or bind_address = "127.0.0.1"',
        )


def _check_same_server(metrics: ListenSettings, api: ListenSettings) -> Iterator[Finding]:
    both = metrics.enabled and api.enabled
    if both and metrics.port == api.port != 0 and metrics.bind_address == api.bind_address:
        yield Finding(
            ("api", "port"),
            f"{api.port} is already the port of [metrics]",
            "allowed: a port of its own, or 0 for any free port",
        )
