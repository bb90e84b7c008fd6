from __future__ import annotations

from pathlib import Path

from acd.app import node_name
from acd.settings import Settings, TrunkSettings


def settings(folder: str) -> Settings:
    trunk = TrunkSettings(domain="127.0.0.1", user="dialer")
    return Settings(trunk=(trunk,), control_socket=Path(folder) / "acd.sock")


def test_an_engine_keeps_its_name_and_two_installations_never_share_one() -> None:
    assert node_name(settings("/srv/one")) == node_name(settings("/srv/one"))
    assert node_name(settings("/srv/one")) != node_name(settings("/srv/two"))


def test_the_name_fits_its_column() -> None:
    assert len(node_name(settings("/srv/" + "x" * 300))) <= 64
