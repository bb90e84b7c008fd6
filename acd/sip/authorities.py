"""The certificate authorities that this machine trusts, as one file.

pjsip trusts nobody unless it is given a file: it never asks OpenSSL for its own list.
"""

from __future__ import annotations

import ssl
from pathlib import Path

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/cert.pem",  # Alpine
)


def system_authorities() -> str:
    """A PEM file: what SSL_CERT_FILE names, or OpenSSL's own, or the system's; empty: none."""
    own = ssl.get_default_verify_paths().cafile
    return next((name for name in (own or "", *_BUNDLES) if name and Path(name).is_file()), "")
