"""Values of `[tapi]` and `[[tapi_client]]` that are wrong together."""

from __future__ import annotations

from collections.abc import Iterator

from acd.settings.tables import Settings, TapiClientSettings, TapiSettings
from acd.settings.wording import Finding, Loc


def check_tapi(settings: Settings) -> Iterator[Finding]:
    """Check the gateway against its trunk, and its clients against each other."""
    yield from _check_clients(settings.tapi_client)
    if settings.tapi.enabled:
        yield from _check_gateway(settings.tapi, anybody=bool(settings.tapi_client))
        yield from _check_trunk(settings)


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
        if file is not None and not file.is_file():
            yield Finding(("tapi", key), f"there is no file {file}", "allowed: a PEM file")
    if not tapi.on_loopback and tapi.tls_certificate_file is None:
        yield Finding(
            ("tapi", "bind_address"),
            f'"{tapi.bind_address}" can be reached from other machines and needs TLS',
            'set tls_certificate_file and tls_key_file, or bind_address = "127.0.0.1"',
        )


def _check_trunk(settings: Settings) -> Iterator[Finding]:
    tapi = settings.tapi
    trunks = {trunk.name: trunk for trunk in settings.trunk}
    name = tapi.trunk or settings.trunk[0].name
    if name not in trunks:
        yield Finding(
            ("tapi", "trunk"), f'"{name}" is no trunk', f"allowed: {', '.join(sorted(trunks))}"
        )
    elif tapi.lines > trunks[name].lines:
        yield Finding(
            ("tapi", "lines"),
            f"{tapi.lines} is more than the {trunks[name].lines} lines of trunk {name}",
            f"allowed: a whole number from 1 to {trunks[name].lines}",
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
        if client.wait_message is not None and not client.wait_message.is_file():
            yield Finding(
                (*at, "wait_message"),
                f"there is no file {client.wait_message}",
                "allowed: a WAV, 8 kHz mono PCM",
            )
