"""Certificates for one test: self-signed, so that each is its own authority."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime
from pathlib import Path


def make_certificate(folder: Path, *, name: str, days: int = 2) -> tuple[Path, Path]:
    """A self-signed certificate for an address or host name, and its key.

    It is valid for so many `days` from now; a negative number: it has expired.
    """
    certificate, key, request = (folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
    kind = "IP" if re.fullmatch(r"[\d.]+", name) else "DNS"
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}"),
        *("-addext", "basicConstraints=critical,CA:TRUE"),
        *("-keyout", str(key), "-out", str(request)),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-key", str(key), "-days", str(days)),
        *("-copy_extensions", "copyall", "-out", str(certificate)),
    )
    return certificate, key


def lock_key(key: Path, passphrase: str) -> None:
    """Have the key ask for a passphrase from now on."""
    locked = ("-aes256", "-passout", f"pass:{passphrase}")
    key.write_text(_openssl("pkey", "-in", str(key), *locked))


def valid_until(certificate: Path) -> str:
    """YYYY-MM-DD, UTC."""
    shown = _openssl("x509", "-in", str(certificate), "-noout", "-enddate")
    return f"{datetime.strptime(shown.strip(), 'notAfter=%b %d %H:%M:%S %Y %Z'):%Y-%m-%d}"


def _openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True)
    return done.stdout
