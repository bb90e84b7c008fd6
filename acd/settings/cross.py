"""Values of `acd.toml` that are wrong together although each would do alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from acd.settings.cross_api import check_api
from acd.settings.cross_tapi import check_tapi
from acd.settings.files import check_file
from acd.settings.tables import (
    AddressSettings,
    AmiSettings,
    ListenSettings,
    Settings,
    TrunkSettings,
)
from acd.settings.values import Transport
from acd.settings.wording import Finding, Loc

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound


def cross_check(settings: Settings) -> Iterator[Finding]:
    """Check tables against each other, and against the files that they name."""
    for index, trunk in enumerate(settings.trunk):
        yield from _check_trunk(trunk, ("trunk", index))
    yield from _check_same_trunk(settings.trunk)
    yield from _check_server(settings.metrics, "metrics")
    yield from _check_same_server(settings.metrics, settings.api)
    if settings.feeds.ami is not None:
        yield from _check_ami(settings.feeds.ami, ("feeds", "ami"))
    yield from _check_trace(settings)
    yield from _check_watched_trunk(settings)
    yield from check_tapi(settings)
    yield from check_api(settings)


def _check_trace(settings: Settings) -> Iterator[Finding]:
    names = sorted(trunk.name for trunk in settings.trunk)
    for name in settings.sip_trace.trunks:
        if name not in names:
            yield Finding(
                ("sip_trace", "trunks"), f'"{name}" is no trunk', f"allowed: {', '.join(names)}"
            )


def _check_watched_trunk(settings: Settings) -> Iterator[Finding]:
    feed, names = settings.feeds.dialog_info, [trunk.name for trunk in settings.trunk]
    if feed is not None and feed.trunk and feed.trunk not in names:
        yield Finding(
            ("feeds", "dialog_info", "trunk"),
            f"there is no trunk {feed.trunk}",
            f"allowed: {', '.join(names)}",
        )


def _check_trunk(trunk: TrunkSettings, at: Loc) -> Iterator[Finding]:
    if trunk.rtp_port_max < trunk.rtp_port_min:
        yield Finding(
            (*at, "rtp_port_max"),
            f"{trunk.rtp_port_max} is below rtp_port_min, {trunk.rtp_port_min}",
            "allowed: a range with 2.5 ports or more a line",
        )
    yield from _check_tls(trunk, at)


def _check_tls(trunk: TrunkSettings, at: Loc) -> Iterator[Finding]:
    files = (
        ("tls_ca_file", trunk.tls_ca_file, "with the certificates to trust"),
        ("tls_certificate_file", trunk.tls_certificate_file, "with our own certificate"),
        ("tls_key_file", trunk.tls_key_file, "with the key of tls_certificate_file"),
    )
    for key, file, what in files:
        yield from check_file((*at, key), file, f"a PEM file {what}")
    pair = {"tls_certificate_file": "tls_key_file", "tls_key_file": "tls_certificate_file"}
    for one, other in pair.items():
        if getattr(trunk, one) is not None and getattr(trunk, other) is None:
            yield Finding(
                (*at, one), f"there is no {other} to it", f"set both, or neither: {other}"
            )


def _check_ami(ami: AmiSettings, at: Loc) -> Iterator[Finding]:
    authorities = "a PEM file with the certificates to trust"
    yield from check_file((*at, "tls_ca_file"), ami.tls_ca_file, authorities)
    if not ami.password.get_secret_value():
        yield Finding(
            (*at, "password_file"),
            "is missing",
            "write the secret from manager.conf into a file of mode 0600 and name it here, or set "
            "password_env",
        )


def _check_same_trunk(trunks: Sequence[TrunkSettings]) -> Iterator[Finding]:
    for (first, one), (second, other) in combinations(enumerate(trunks), 2):
        if one.name == other.name:
            yield Finding(
                ("trunk", second, "name"),
                f'"{other.name}" is already the name of trunk[{first}]',
                "allowed: a name of its own for each [[trunk]]",
            )
        if one.dns_servers != other.dns_servers:
            yield Finding(
                ("trunk", second, "dns_servers"),
                f"trunk[{first}] names other servers than this one",
                "allowed: the same list in every [[trunk]], for one resolver asks for all",
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


def _check_same_server(metrics: AddressSettings, api: AddressSettings) -> Iterator[Finding]:
    both = metrics.enabled and api.enabled
    if both and metrics.port == api.port != 0 and metrics.bind_address == api.bind_address:
        yield Finding(
            ("api", "port"),
            f"{api.port} is already the port of [metrics]",
            "allowed: a port of its own, or 0 for any free port",
        )
