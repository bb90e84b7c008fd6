"""The gateway's port: where clients find it, and with which certificate."""

from __future__ import annotations

import socket
import ssl

import trio

from acd.errors import AddressInUse, BadSettings
from acd.settings import TapiSettings


def listen(settings: TapiSettings) -> trio.SocketListener:
    """Listen for clients.

    Raises:
        AddressInUse: another program holds the port.
    """
    family = socket.AF_INET6 if ":" in settings.bind_address else socket.AF_INET
    try:
        sock = socket.create_server(
            (settings.bind_address, settings.port), family=family, backlog=128
        )
    except OSError as error:
        raise AddressInUse(
            f"[tapi] cannot listen on {settings.bind_address} port {settings.port}: "
            f"{error.strerror or error}; set another port in [tapi] or end the program that "
            f"holds this one"
        ) from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def tls_of(settings: TapiSettings) -> ssl.SSLContext | None:
    """What clients find behind the port; None: no TLS.

    Raises:
        BadSettings: the certificate cannot be used.
    """
    if settings.tls_certificate_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise BadSettings(
            f"[tapi] tls_certificate_file {settings.tls_certificate_file} and its key "
            f"cannot be used: {error}"
        ) from None
    return context
