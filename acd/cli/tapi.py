"""`acd tapi`: the gateway for TAPI applications, and the way here from SIPTAPI."""

from __future__ import annotations

import click

from acd.cli.tapi_import import import_reg


@click.group()
def tapi() -> None:
    """The gateway for TAPI applications."""


tapi.add_command(import_reg)
