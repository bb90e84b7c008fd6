"""A fresh Debian of any suite in a folder, to run `make setup` in as on a new machine.

The base system comes from debootstrap once and is kept as a tarball; each folder is unpacked from
it. Programs run in the folder inside a mount and PID namespace of their own, so when the last of
them ends, or the test is killed, every mount and process is gone with it. The machine's own ways
to its registries (apt's mirror and settings, certificates, pip's configuration) hold inside too.
"""

from __future__ import annotations

import ast
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[3]
CERTIFICATE_NAMES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
FILES_OF_PIP = (".cert", ".client-cert", ".constraint", ".build-constraint")
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# In the namespaces: mount what the folder needs, then become what was asked for.
ENTER = """
set -eu
folder=$1; shift
mount -t proc proc "$folder/proc"
while [ "$1" != -- ]; do
    mount --bind "$1" "$folder$2"
    shift 2
done
shift
exec chroot "$folder" "$@"
"""


class DebianUnavailable(Exception):
    """One sentence: what this machine lacks for a Debian folder, and what to do."""


@dataclass(frozen=True)
class DebianFolder:
    folder: Path
    binds: dict[Path, str]

    def run(
        self, command: str, *, timeout_seconds: float = 60, network: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the repo's clone inside the folder."""
        namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        if not network:
            namespaces.append("--net")
        binds = [str(part) for bind in self.binds.items() for part in bind]
        return subprocess.run(
            [
                *("unshare", *namespaces, "bash", "-c", ENTER, "enter", str(self.folder), *binds),
                *("--", "sh", "-c", f"cd /root/acd && {command}"),
            ],
            env=inner_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )


@contextmanager
def open_debian_folder(suite: str) -> Iterator[DebianFolder]:
    """Lay out a fresh Debian with a clone of this repo in /root/acd; remove it at the end."""
    if os.geteuid() != 0:
        raise DebianUnavailable("a Debian folder needs chroot: run make test as root.")
    store = cache_folder() / "debian"
    home_cache = store / f"{suite}-cache"
    home_cache.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in store.glob(".run-*"):
            shutil.rmtree(leftover)
        # Not in /tmp, where device files may be forbidden.
        with tempfile.TemporaryDirectory(prefix=".run-", dir=store) as run:
            folder = Path(run) / suite
            lay_out_base(suite, folder, store)
            let_apt_reach_the_mirror(suite, folder)
            # The folder lives for minutes: dpkg need not wait for the disk after every file.
            (folder / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
            let_pip_reach_the_index(folder)
            clone = ["git", "clone", "--quiet", str(REPO), str(folder / "root/acd")]
            subprocess.run(clone, check=True)
            binds = {home_cache: "/root/.cache", Path("/etc/resolv.conf"): "/etc/resolv.conf"}
            for path in local_folders_of_pip():
                (folder / str(path)[1:]).mkdir(parents=True, exist_ok=True)
                binds[path] = str(path)
            (folder / "root/.cache").mkdir(exist_ok=True)
            (folder / "etc/resolv.conf").touch()
            yield DebianFolder(folder, binds)


def cache_folder() -> Path:
    """Return the cache that the scripts use (scripts/lib/common.sh)."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("ACD_CACHE_DIR") or home / "acd")


def lay_out_base(suite: str, folder: Path, store: Path) -> None:
    """Unpack the base system, made anew where there is none or it is broken."""
    tarball = store / f"{suite}.tar"
    for attempt in ("kept", "new"):
        if attempt == "new" or not tarball.exists():
            make_base(suite, tarball)
        folder.mkdir()
        command = ["tar", "--extract", "--numeric-owner", "-f", str(tarball), "-C", str(folder)]
        if subprocess.run(command, check=False).returncode == 0 and (folder / "bin/sh").exists():
            return
        shutil.rmtree(folder)
    raise DebianUnavailable(f"{tarball} can't be unpacked: free some disk space and try again.")


def make_base(suite: str, tarball: Path) -> None:
    mirror, keyring = mirror_and_keyring()
    with tempfile.TemporaryDirectory(prefix=".run-", dir=tarball.parent) as run:
        folder, log = Path(run) / suite, tarball.with_suffix(".log")
        options = ["--variant=minbase", "--include=make", f"--keyring={keyring}"]
        with log.open("w") as output:
            done = subprocess.run(
                ["debootstrap", *options, suite, str(folder), mirror],
                check=False,
                stdout=output,
                stderr=output,
            )
        if done.returncode != 0:
            raise DebianUnavailable(
                f"debootstrap could not make Debian {suite} from {mirror}: check the network and "
                f"that the mirror has it; all that it printed is in {log}."
            )
        for archive in (folder / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()
        packed = Path(run) / tarball.name
        subprocess.run(
            ["tar", "--create", "--numeric-owner", "-f", str(packed), "-C", str(folder), "."],
            check=True,
        )
        packed.replace(tarball)


def mirror_and_keyring() -> tuple[str, Path]:
    script = (
        'here=$1; . "$here/lib/common.sh"; . "$here/lib/mirror.sh"; debian_mirror; debian_keyring'
    )
    done = subprocess.run(
        ["bash", "-euc", script, "mirror", str(REPO / "scripts")],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise DebianUnavailable(done.stderr.strip().removeprefix("acd: "))
    mirror, keyring = done.stdout.split()
    return mirror, Path(keyring)


def let_apt_reach_the_mirror(suite: str, folder: Path) -> None:
    mirror, keyring = mirror_and_keyring()
    put(keyring, folder)
    sources = folder / "etc/apt/sources.list"
    sources.write_text(f"deb [signed-by={keyring}] {mirror} {suite} main\n")
    dump = subprocess.run(
        ["apt-config", "dump", "Acquire"], check=True, capture_output=True, text=True
    )
    # Programs that find a proxy are this machine's, not the folder's.
    lines = [line for line in dump.stdout.splitlines(keepends=True) if "Auto-Detect" not in line]
    (folder / "etc/apt/apt.conf.d/90machine").write_text("".join(lines))


def let_pip_reach_the_index(folder: Path) -> None:
    """Write this machine's pip settings and the files that they name into the folder."""
    sections: dict[str, list[str]] = {}
    for name, value in pip_settings().items():
        section, _, key = name.partition(".")
        if section != ":env:":
            indented = value.replace("\n", "\n    ")
            sections.setdefault(section, []).append(f"{key} = {indented}\n")
    text = "".join(f"[{name}]\n{''.join(lines)}" for name, lines in sections.items())
    (folder / "etc/pip.conf").write_text(text)
    named = [os.environ.get(name, "") for name in CERTIFICATE_NAMES]
    named += [
        word
        for name, value in pip_settings().items()
        if name.endswith(FILES_OF_PIP)
        for word in value.split()
    ]
    # What the package ca-certificates adds to its own bundle.
    added = Path("/usr/local/share/ca-certificates").glob("**/*.crt")
    for path in {*map(Path, named), *added}:
        if path.is_file():
            put(path, folder)


def pip_settings() -> dict[str, str]:
    """Read pip's configuration: files under their section, the environment under `:env:`."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: str(ast.literal_eval(value)) for name, _, value in pairs}


def local_folders_of_pip() -> list[Path]:
    """List the folders of this machine that pip takes packages from; those missing it passes by."""
    paths = set()
    for name, value in pip_settings().items():
        for word in value.split() if name.endswith(("find-links", "index-url")) else ():
            path = Path(word.removeprefix("file://"))
            # An index is pages of links, mostly to files beside its folder.
            paths.add(path.parent if name.endswith("index-url") else path)
    return sorted(path for path in paths if path.is_absolute() and path.is_dir())


def inner_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    kept |= {name: os.environ[name] for name in CERTIFICATE_NAMES if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {**kept, "PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8"}


def put(path: Path, folder: Path) -> None:
    """Copy a file to its own place inside the folder."""
    inside = folder / str(path)[1:]
    inside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, inside)
