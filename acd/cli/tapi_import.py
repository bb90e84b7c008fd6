"""`acd tapi import-reg`: the way here from SIPTAPI."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

import click

from acd.errors import BadInput, BadSettings, Problem
from acd.settings import load_settings
from acd.tapi.registry import read_registry
from acd.tapi.siptapi_import import Imported, default_limit, import_siptapi

_PASSWORDS = "siptapi-passwords"
_TOKEN = "siptapi.token"  # noqa: S105 - a file's name


@click.command("import-reg", epilog="\b\nExample:\n  acd tapi import-reg SIPTAPI.reg")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def import_reg(ctx: click.Context, file: Path) -> None:
    """Make acd.toml of a SIPTAPI registry export, and files of mode 0600 of its passwords.

    Writes the file that --config names, beside it siptapi-passwords/ and siptapi.token, and
    overwrites none of them. What has no place in acd is listed with the reason.
    """
    config: Path = ctx.obj.config
    imported = import_siptapi(
        read_registry(_read(file), name=str(file)),
        name=str(file),
        passwords=_PASSWORDS,
        tokens=_TOKEN,
    )
    _check(imported, file)
    _refuse_to_overwrite(config)
    _write(imported, config)
    click.echo(f"{config}: {imported.lines} lines on {imported.trunks} accounts")
    click.echo(f"{config.parent / _PASSWORDS}: {len(imported.passwords)} passwords, mode 0600")
    for sentence in imported.not_carried:
        click.echo(f"not carried over: {sentence}")
    for sentence in _unlike_siptapi():
        click.echo(sentence)


def _unlike_siptapi() -> tuple[str, ...]:
    """What acd does without being told, and SIPTAPI did not."""
    wait, calls = (default_limit(name) for name in ("wait_limit_seconds", "calls_per_second"))
    return (
        "check [destinations] default_region: SIPTAPI sent digits as they were typed, acd reads "
        "numbers in a country",
        "acd keeps calling hours, which SIPTAPI did not: see [tapi_client.calling_hours] and "
        "keep_calling_hours",
        "acd hangs up on a person who answered in ACD or reverse mode and whom nobody takes within "
        f"wait_limit_seconds = {wait}, which SIPTAPI did not: 0 lets them wait",
        f"acd starts no more than calls_per_second = {calls} calls of a [[tapi_client]] and of "
        "each [[trunk]], which SIPTAPI did not count: set both to what the PBX takes",
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise BadInput(Problem(str(file), "this file does not exist")) from None
    except OSError as error:
        raise BadInput(Problem(str(file), f"cannot be read: {error.strerror}")) from None


def _refuse_to_overwrite(config: Path) -> None:
    taken = [
        Problem(str(path), "is there already", "move it away, or name another file with --config")
        for path in (config, config.parent / _PASSWORDS, config.parent / _TOKEN)
        if path.exists() or path.is_symlink()
    ]
    if taken:
        raise BadInput(taken)


def _check(imported: Imported, file: Path) -> None:
    """Load the settings once before anything is written for good.

    Raises:
        BadInput: with what acd.toml could not hold.
    """
    with tempfile.TemporaryDirectory(prefix="acd-import-") as folder:
        config = Path(folder) / "acd.toml"
        _write(imported, config)
        try:
            load_settings(config, {})
        except BadSettings as error:
            raise BadInput(
                [
                    Problem(f"{file}: {each.where.rpartition(': ')[2]}", each.what, each.allowed)
                    for each in error.problems
                ]
            ) from None


def _write(imported: Imported, config: Path) -> None:
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        (config.parent / _PASSWORDS).mkdir(mode=0o700)
        for name, password in imported.passwords.items():
            _write_new(config.parent / _PASSWORDS / name, password + "\n", mode=0o600)
        _write_new(config.parent / _TOKEN, secrets.token_hex(32) + "\n", mode=0o600)
        _write_new(config, imported.toml, mode=0o644)
    except OSError as error:
        raise BadInput(
            Problem(str(error.filename or config), f"cannot be written: {error.strerror}")
        ) from None


def _write_new(path: Path, text: str, *, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
