"""The compose file as docker-compose reads it; no container is started."""

from __future__ import annotations

import re
import subprocess

import pytest

from dashboards.render import FOLDER

pytestmark = pytest.mark.real


def test_docker_compose_reads_the_file() -> None:
    file = FOLDER / "compose.yml"
    done = subprocess.run(
        ["docker-compose", "-f", str(file), "config"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    for service in ("engine", "postgres", "prometheus", "grafana"):
        assert re.search(rf"(?m)^  {service}:$", done.stdout), done.stdout


def test_the_image_is_built_from_the_source_alone() -> None:
    """The host's environment would take the place of the image's own; secrets stay here."""
    left_out = set((FOLDER.parent / ".dockerignore").read_text().split())
    assert {".git", ".venv", "acd.toml", "*.password", "*.token"} <= left_out


def test_what_it_mounts_from_here_is_here() -> None:
    mounted = re.findall(r"(?m)^      - \./([\w/]+):", (FOLDER / "compose.yml").read_text())
    assert mounted
    # etc is the operator's own.
    assert [place for place in mounted if place != "etc" and not (FOLDER / place).exists()] == []
