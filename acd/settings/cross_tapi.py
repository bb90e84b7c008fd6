"""Values of `[tapi]` and `[[tapi_client]]` that are wrong together."""

from __future__ import annotations

from collections.abc import Iterator

from acd.settings.cross_profiles import check_profiles
from acd.settings.files import check_file
from acd.settings.profiles import base_trunk, lines_by_trunk
from acd.settings.sounds import PLAYABLE, wrong_with_wav
from acd.settings.tables import Settings, TapiClientSettings, TapiSettings
from acd.settings.wording import Finding, Loc


def check_tapi(settings: Settings) -> Iterator[Finding]:
    """Check the gateway against its trunk, and its clients against each other."""
    yield from _check_clients(settings.tapi_client)
    yield from check_profiles(settings)
    if settings.tapi.enabled:
        yield from _check_gateway(settings.tapi, anybody=bool(settings.tapi_client))
        yield from _check_trunks(settings)


def _check_gateway(tapi: TapiSettings, *, anybody: bool) -> Iterator[Finding]:
    if not anybody:
        yield Finding(
            ("tapi", "enabled"),
            "nobody may connect",
            "add a [[tapi_client]] with a name and a token_env or token_file",
        )
    if bool(tapi.tls_certificate_file) != bool(tapi.tls_key_file):
        missing = "tls_key_file" if tapi.tls_certificate_file else "tls_certificate_file"
        yield Finding(("tapi", missing), "is missing", "TLS needs the certificate and its key")
    for key, file in (
        ("tls_certificate_file", tapi.tls_certificate_file),
        ("tls_key_file", tapi.tls_key_file),
    ):
        yield from check_file(("tapi", key), file, "a PEM file")
    if not tapi.on_loopback and tapi.tls_certificate_file is None:
        yield Finding(
            ("tapi", "bind_address"),
            f'"{tapi.bind_address}" can be reached from other machines and needs TLS',
            'set tls_certificate_file and tls_key_file, or bind_address = "127.0.0.1"',
        )


def _check_trunks(settings: Settings) -> Iterator[Finding]:
    """Each trunk has as many lines as the gateway's lines on it."""
    tapi = settings.tapi
    trunks = {trunk.name: (index, trunk) for index, trunk in enumerate(settings.trunk)}
    base = base_trunk(settings)
    if base not in trunks:
        yield Finding(
            ("tapi", "trunk"), f'"{base}" is no trunk', f"allowed: {', '.join(sorted(trunks))}"
        )
    for name, lines in lines_by_trunk(settings).items():
        if name not in trunks or len(lines) <= trunks[name][1].lines:
            continue
        index, trunk = trunks[name]
        if name == base:
            yield Finding(
                ("tapi", "lines"),
                f"{len(lines)} is more than the {trunk.lines} lines of trunk {name}",
                f"allowed: {'at most' if len(lines) < tapi.lines else 'a whole number from 1 to'} "
                f"{trunk.lines}",
            )
        else:
            yield Finding(
                ("trunk", index, "lines"),
                f"{trunk.lines} is fewer than the {len(lines)} lines that profiles have on it",
                f"allowed: a whole number from {len(lines)} to 999",
            )


def _check_clients(clients: tuple[TapiClientSettings, ...]) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, client in enumerate(clients):
        at: Loc = ("tapi_client", index)
        if client.name in seen:
            yield Finding(
                (*at, "name"),
                f'"{client.name}" is already the name of tapi_client[{seen[client.name]}]',
                "allowed: a name of its own for each [[tapi_client]]",
            )
        seen.setdefault(client.name, index)
        if not client.token.get_secret_value():
            yield Finding((*at, "token_env"), "is missing", "set token_env or token_file")
        if client.last_line < client.first_line:
            yield Finding(
                (*at, "last_line"),
                f"{client.last_line} is below first_line, {client.first_line}",
                f"allowed: a whole number from {client.first_line} to 999",
            )
        for key, wav in (
            ("wait_message", client.wait_message),
            ("comfort_audio", client.comfort_audio),
        ):
            if wav is not None and (wrong := wrong_with_wav(wav)):
                yield Finding((*at, key), wrong, PLAYABLE)
