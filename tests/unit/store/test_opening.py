from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from acd.errors import BadSettings, StoreUnavailable
from acd.store import open_store_sync, parse_url, shown_url
from acd.store.schema import SCHEMA_REVISION
from acd.store.versions import MIGRATIONS


def test_the_program_is_written_for_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_REVISION


@pytest.mark.parametrize(
    "url",
    [
        *("mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"),
        *("postgresql://acd@127.0.0.1:99999x/acd", "postgresql://acd@127.0.0.1/acd?foo=bar"),
        "postgresql://acd@127.0.0.1/acd?host=x&port=y",
    ],
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match=r"store\.url"), open_store_sync(url):
        pass


def test_a_missing_file_is_answered_with_the_remedy(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreUnavailable, match="acd db upgrade"),
        open_store_sync(f"sqlite:///{tmp_path}/none.sqlite"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_text("this is a letter to a friend " * 100)
    with (
        pytest.raises(StoreUnavailable, match="not an SQLite database"),
        open_store_sync(f"sqlite:///{path}", create=True),
    ):
        pass


@pytest.mark.parametrize("url", ["acd:secret@127.0.0.1:1/acd", "127.0.0.1:1/acd?password=secret"])
def test_a_server_that_is_not_there_is_told_without_the_password(url: str) -> None:
    with (
        pytest.raises(StoreUnavailable, match="does not answer") as raised,
        open_store_sync(f"postgresql://{url}"),
    ):
        pass
    assert "secret" not in str(raised.value)


def test_a_wrong_parameter_is_refused_without_repeating_what_may_be_a_password() -> None:
    url = "postgresql://acd@127.0.0.1/acd?password=a&secret=1"
    with pytest.raises(BadSettings, match="a parameter after its") as raised, open_store_sync(url):
        pass
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://acd:secret@db:5433/acd", "postgresql://acd@db:5433/acd"),
        ("postgresql://db/acd?password=secret", "postgresql://db/acd"),
        ("sqlite:////var/acd.sqlite", "sqlite:////var/acd.sqlite"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_url(parse_url(url)) == shown
