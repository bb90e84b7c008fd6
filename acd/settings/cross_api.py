"""Values of `[api]` and `[[api_client]]` that are wrong together."""

from __future__ import annotations

from collections.abc import Iterator

from acd.settings.files import check_file
from acd.settings.tables import ApiClientSettings, ApiRole, ApiSettings, Settings
from acd.settings.wording import Finding, Loc


def check_api(settings: Settings) -> Iterator[Finding]:
    """Check the server, and its clients against each other."""
    yield from _check_clients(settings.api_client)
    if settings.api.enabled:
        yield from _check_server(settings.api, anybody=bool(settings.api_client))


def _check_server(api: ApiSettings, *, anybody: bool) -> Iterator[Finding]:
    if not anybody:
        yield Finding(
            ("api", "enabled"),
            "nobody may connect",
            "add an [[api_client]] with a name, a role and a token_env or token_file",
        )
    if bool(api.tls_certificate_file) != bool(api.tls_key_file):
        missing = "tls_key_file" if api.tls_certificate_file else "tls_certificate_file"
        yield Finding(("api", missing), "is missing", "TLS needs the certificate and its key")
    for key, file in (
        ("tls_certificate_file", api.tls_certificate_file),
        ("tls_key_file", api.tls_key_file),
    ):
        yield from check_file(("api", key), file, "a PEM file")
    if not api.on_loopback and api.tls_certificate_file is None:
        yield Finding(
            ("api", "bind_address"),
            f'"{api.bind_address}" can be reached from other machines and needs TLS',
            'set tls_certificate_file and tls_key_file, or bind_address = "127.0.0.1"',
        )


def _check_clients(clients: tuple[ApiClientSettings, ...]) -> Iterator[Finding]:
    names: dict[str, int] = {}
    tokens: dict[str, int] = {}
    for index, client in enumerate(clients):
        at: Loc = ("api_client", index)
        token = client.token.get_secret_value()
        if client.name in names:
            yield Finding(
                (*at, "name"),
                f'"{client.name}" is already the name of api_client[{names[client.name]}]',
                "allowed: a name of its own for each [[api_client]]",
            )
        names.setdefault(client.name, index)
        if not token:
            yield Finding((*at, "token_env"), "is missing", "set token_env or token_file")
        elif tokens.setdefault(token, index) != index:
            key = "token_file" if client.token_file is not None else "token_env"
            yield Finding(
                (*at, key),
                f"its token is that of api_client[{tokens[token]}] too",
                "allowed: a token of its own for each [[api_client]]",
            )
        if client.agent and client.role is not ApiRole.AGENT:
            yield Finding(
                (*at, "agent"),
                f'a client of role "{client.role}" speaks for no agent',
                'set role = "agent", or leave agent out',
            )
