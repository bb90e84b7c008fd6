"""Whether a file that `acd.toml` names is there, and a key can be used without anybody there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from acd.settings.wording import Finding, Loc

# Of PKCS #8 and of OpenSSL's own older form.
_PASSPHRASE = re.compile(
    rb"^(-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED)", re.MULTILINE
)


def check_file(at: Loc, file: Path | None, kind: str) -> Iterator[Finding]:
    """What is wrong with a file that is named; `kind` says what it should be."""
    if file is None:
        return
    try:
        there = file.is_file()
        asks = there and at[-1] == "tls_key_file" and _PASSPHRASE.search(file.read_bytes())
    except OSError as error:  # a folder above that we may not look into, a name that is too long
        yield Finding(at, f"{file} cannot be read: {error.strerror}", f"allowed: {kind}")
        return
    if not there:
        yield Finding(at, f"there is no file {file}", f"allowed: {kind}")
    if asks:
        # OpenSSL would ask for it on the terminal, in the middle of a running program.
        yield Finding(
            at,
            f"{file} asks for a passphrase, which acd has nobody to type",
            f"write it without one, mode 0600: openssl pkey -in {file} -out FILE",
        )
