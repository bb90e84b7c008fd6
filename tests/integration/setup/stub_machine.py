"""A machine whose PATH holds stubs for the programs that fail, and links to this machine's own.

It has a copy of the files that the scripts need, and a cache of its own that already holds
something; nothing is installed and no network is asked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[3]
PROGRAMS = """
    awk basename bash cat chmod comm cut date dirname echo env find flock grep head hostname id kill
    ln ls mkdir mktemp mv readlink realpath rm sed sh sha256sum sleep sort tail tar touch tr xargs
    gcc g++ make patch pkg-config strip swig xz
""".split()  # noqa: SIM905 - a table of words reads better than 48 quoted ones
BASE_PYTHON = Path(sys.base_prefix) / f"bin/python3.{sys.version_info.minor}"
PYTHON_TAG = f"cp3{sys.version_info.minor}"

ALL_INSTALLED = 'shift 3; for name; do echo "$name installed"; done'
NONE_INSTALLED = "exit 1"
ROOT = "echo 0"
NOBODY = "echo 1000"


@dataclass(frozen=True)
class Answer:
    code: int
    stdout: str
    sentences: list[str]


@dataclass
class Machine:
    """A machine made of stubs, with the scripts and a cache that already holds something."""

    folder: Path

    def __post_init__(self) -> None:
        self.programs.mkdir(parents=True)
        for name in PROGRAMS:
            found = shutil.which(name)
            assert found, f"{name} is missing here: run make setup"
            (self.programs / name).symlink_to(found)
        (self.programs / "python3").symlink_to(BASE_PYTHON)
        self.stub("id", ROOT)
        self.stub("dpkg-query", ALL_INSTALLED)
        for name in ("scripts", "acd/sip/binding"):
            shutil.copytree(REPO / name, self.repo / name)
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(REPO / name, self.repo)
        # A wheel for a Python that this machine has not.
        self.keep("wheels/pjsua2-2.16+acd.c00000000-cp39-cp39-linux_x86_64.whl")

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def stub(self, name: str, body: str) -> None:
        self.remove(name)
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)

    def remove(self, name: str) -> None:
        (self.programs / name).unlink(missing_ok=True)

    def keep(self, name: str, text: str = "good") -> Path:
        """Put a file into the cache."""
        path = self.cache / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def with_apt(self, *, update: str = "exit 0", source: str = "exit 0") -> None:
        """Give it an apt-get whose sources name one mirror, signed by a keyring of its own."""
        keyring = self.folder / "debian.gpg"
        keyring.touch()
        sources = self.folder / "debian.list"
        sources.write_text(f"deb [signed-by={keyring}] http://mirror.test/debian stable main\n")
        self.stub(
            "apt-get",
            f'case " $* " in\n'
            f'*" indextargets "*) echo "http://mirror.test/debian {sources}:1" ;;\n'
            f'*" update "*) {update} ;;\n'
            f'*" source "*) {source} ;;\n'
            f'*" install "*) echo "E: Unable to locate package" >&2; exit 100 ;;\n'
            f"esac",
        )

    def cached(self) -> dict[str, str]:
        """Read what the cache holds, but for logs, locks and apt's own lists."""
        aside = ("log/", "pjproject/.apt/")
        names = {str(path.relative_to(self.cache)): path for path in self.cache.rglob("*")}
        return {
            name: path.read_text()
            for name, path in names.items()
            if path.is_file() and not name.startswith(aside) and not name.endswith(".lock")
        }

    def run(self, script: str, **environment: str) -> Answer:
        done = subprocess.run(
            [self.repo / "scripts" / script],
            env={
                "PATH": str(self.programs),
                "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "ACD_CACHE_DIR": str(self.cache),
                # Nothing listens on the discard port: pip tries until its step is stopped.
                "PIP_INDEX_URL": "http://127.0.0.1:9/",
                **environment,
            },
            cwd=self.repo,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        sentences = [line for line in done.stderr.splitlines() if line.startswith("acd: ")]
        return Answer(done.returncode, done.stdout, sentences)
