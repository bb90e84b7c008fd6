"""Certificates for one test: self-signed, so that each is its own authority."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def make_certificate(folder: Path, *, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for an address or host name, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = "IP" if re.fullmatch(r"[\d.]+", name) else "DNS"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext"),
            *(f"subjectAltName={kind}:{name}", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
