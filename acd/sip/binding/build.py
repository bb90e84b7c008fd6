"""Builds the pjsua2 binding for 1,000 calls and more, as one wheel that needs no pjproject.

Runs by path with a bare Python, before any environment exists, so it uses the standard library
only and imports nothing of acd:

    python3 acd/sip/binding/build.py --cache DIR --find            print a cached wheel, or exit 1
    python3 acd/sip/binding/build.py --cache DIR --source SOURCE   build it, then print it

A wheel's name says what it was made from: pjproject's version, a digest of this recipe (and of
the source, where the user brings one), and the Python. It enters the cache by a rename, after a
fresh Python has imported it, so the cache only ever holds wheels that work.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Files that change what comes out; the limits' names are part of this file.
PATCHES = tuple(sorted((HERE / "patches").glob("*.patch")))
RECIPE = (HERE / "build.py", HERE / "config_site.h", *PATCHES)
TOOLS = ("gcc", "g++", "make", "patch", "swig", "pkg-config", "tar", "xz", "strip")
LIBRARIES = ("openssl", "libsrtp2", "uuid")
# NDEBUG: a failed assertion must end one call, never the process with 999 of them.
CFLAGS = "-O2 -fPIC -DNDEBUG"
CONFIGURE_FLAGS = (
    "--enable-epoll",
    "--with-external-srtp",
    "--disable-bcg729",
    "--disable-ffmpeg",
    "--disable-g7221-codec",
    "--disable-gsm-codec",
    "--disable-ilbc-codec",
    "--disable-libwebrtc",
    "--disable-libyuv",
    "--disable-opus",
    "--disable-resample",
    "--disable-sdl",
    "--disable-silk",
    "--disable-sound",
    "--disable-speex-aec",
    "--disable-speex-codec",
    "--disable-v4l2",
    "--disable-video",
)
# Debian strips this file from the source (third-party code); the Makefile still names it.
STRIPPED_FILE = "pjmedia/src/pjmedia-audiodev/bdimad_dev.c"
# What a configured or built tree of the user's own must not bring along: other flags' leftovers.
LEFTOVERS = (".git", "*.o", "*.a", "*.so", "*.so.*", ".*.depend", "config_site.h", "config.cache")
LIMITS = {
    "MAX_CALLS": "PJSUA_MAX_CALLS",
    "MAX_ACCOUNTS": "PJSUA_MAX_ACC",
    "MAX_BUDDIES": "PJSUA_MAX_BUDDIES",
    "MAX_PLAYERS": "PJSUA_MAX_PLAYERS",
    "MAX_CONF_PORTS": "PJSUA_MAX_CONF_PORTS",
    "IOQUEUE_MAX_HANDLES": "PJ_IOQUEUE_MAX_HANDLES",
    "AUTH_AUTO_SEND_NEXT": "PJSIP_AUTH_AUTO_SEND_NEXT",
    "TRANSACTION_TIMEOUT_MS": "PJSIP_TD_TIMEOUT",
    "HAS_TLS": "PJSIP_HAS_TLS_TRANSPORT",
}
# Ends the sentence about a step that fails on a machine that has every tool.
REMEDY = (
    "the lines above in the log say why; ACD_REFRESH=1 make setup tries Debian's source of today, "
    "and PJPROJECT_SOURCE=FOLDER make setup another one (2.17 is known to do)."
)
SELF_CHECK = """
import pjsua2, pjsua2_limits
endpoint = pjsua2.Endpoint()
endpoint.libCreate()
found = pjsua2.EpConfig().uaConfig.maxCalls
assert found == pjsua2_limits.MAX_CALLS, (found, pjsua2_limits.MAX_CALLS)
endpoint.libDestroy()
print("pjsua2", pjsua2_limits.PJPROJECT_VERSION, "holds", found, "calls")
"""


class BuildError(Exception):
    """One sentence for the user: what is wrong, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Find or build the wheel and print its path."""
    options = _parse(arguments)
    wheels = options.cache / "wheels"
    own_source = options.source if options.own_source else None
    try:
        if options.find:
            wheel = find_wheel(wheels, own_source=own_source)
        else:
            wheel = build_wheel(wheels, options.source, own_source=own_source)
    except BuildError as exc:
        print(f"acd: {exc}", file=sys.stderr)
        return 1
    if wheel is None:
        return 1
    print(wheel)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build the pjsua2 binding as a wheel.")
    parser.add_argument("--cache", type=Path, required=True, help="folder for finished wheels")
    parser.add_argument("--source", type=Path, help="pjproject's folder or tarball")
    parser.add_argument(
        "--own-source", action="store_true", help="the source is the user's own: digest it too"
    )
    parser.add_argument("--find", action="store_true", help="only look into the cache")
    options = parser.parse_args(arguments)
    if options.source is None and (options.own_source or not options.find):
        parser.error("--source is missing")
    return options


def find_wheel(wheels: Path, *, own_source: Path | None) -> Path | None:
    """Return the newest cached wheel of this recipe for this Python, if there is one."""
    pattern = f"pjsua2-*+acd.{recipe_digest(own_source)}-{wheel_tag()}.whl"
    found = sorted(wheels.glob(pattern), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def build_wheel(wheels: Path, source: Path, *, own_source: Path | None) -> Path:
    """Compile pjproject and its Python binding, check them, and put the wheel into the cache."""
    check_tools()
    digest = recipe_digest(own_source)
    wheels.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=wheels) as folder:
        tree = unpack(source, Path(folder) / "pjproject")
        version = pjproject_version(tree)
        payload = Path(folder) / "payload"
        payload.mkdir()
        patched = apply_patches(tree)
        configure(tree)
        compile_binding(tree, payload)
        (payload / "pjsua2_limits.py").write_text(limits_module(tree, version, patched))
        self_check(payload)
        unfinished = Path(folder) / wheel_name(version, digest)
        write_wheel(payload, unfinished, f"{version}+acd.{digest}")
        return unfinished.replace(wheels / unfinished.name)


def recipe_digest(own_source: Path | None) -> str:
    """Digest what decides the result besides pjproject's version and the Python."""
    digest = hashlib.sha256(_distribution().encode())
    for path in RECIPE:
        digest.update(path.read_bytes())
    if own_source is not None:
        for line in _fingerprint(own_source):
            digest.update(line.encode())
    # The letter keeps it a word: an all-digit part of a version would lose its leading zeros.
    return "c" + digest.hexdigest()[:8]


def _distribution() -> str:
    """Name the distribution: a wheel is linked with its OpenSSL, libsrtp and C library."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return sysconfig.get_platform()
    return "".join(re.findall(r"^(?:ID|VERSION_ID)=.*\n", text, flags=re.MULTILINE))


def _fingerprint(source: Path) -> Iterator[str]:
    """Yield a line for every file of the user's source; its size and time stand for its text."""
    files = [source] if source.is_file() else sorted(source.rglob("*.[chim]*"))
    for path in files:
        if path.is_file() and path.name not in LEFTOVERS:
            status = path.stat()
            yield f"{path.relative_to(source)} {status.st_size} {status.st_mtime_ns}\n"


def wheel_tag() -> str:
    """Return the wheel's tag for this Python: interpreter, ABI and platform."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"{python}-{python}{sys.abiflags}-{platform}"


def wheel_name(version: str, digest: str) -> str:
    """Return the wheel's file name."""
    return f"pjsua2-{version}+acd.{digest}-{wheel_tag()}.whl"


def check_tools() -> None:
    """Raise one sentence that names every missing tool, library and header."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if "pkg-config" not in missing:
        missing += [f"{name} (with headers)" for name in LIBRARIES if not _has_library(name)]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        missing.append(f"{header} (Python's headers)")
    if missing:
        raise BuildError(
            f"building pjsua2 needs {', '.join(missing)}: install what is missing with your "
            "system's package manager and run make setup again."
        )


def _has_library(name: str) -> bool:
    return subprocess.run(["pkg-config", "--exists", name], check=False).returncode == 0


def unpack(source: Path, tree: Path) -> Path:
    """Lay the source out in `tree`, from a folder or a tarball, and check that it is pjproject."""
    if source.is_dir():
        shutil.copytree(source, tree, symlinks=True, ignore=shutil.ignore_patterns(*LEFTOVERS))
    elif source.is_file():
        tree.mkdir()
        command = ["tar", "--extract", "--strip-components=1", "--no-same-owner"]
        _run([*command, f"--file={source}", f"--directory={tree}"], why=_not_pjproject(source))
    needed = ("version.mak", "aconfigure", "pjsip-apps/src/swig/pjsua2.i")
    if not all((tree / name).is_file() for name in needed):
        raise BuildError(_not_pjproject(source))
    return tree


def _not_pjproject(source: Path) -> str:
    return (
        f"{source} is not a pjproject source tree or tarball: set PJPROJECT_SOURCE to one that "
        "holds version.mak, aconfigure and pjsip-apps/src/swig, or unset it on Debian."
    )


def pjproject_version(tree: Path) -> str:
    """Read the version that the source tree claims, in the form Python wants."""
    text = (tree / "version.mak").read_text()
    parts = dict(re.findall(r"^export PJ_VERSION_(\w+)\s*:=[ \t]*(.*?)\s*$", text, re.MULTILINE))
    numbers = [parts.get(name, "") for name in ("MAJOR", "MINOR", "REV")]
    return ".".join(number for number in numbers if number)


def apply_patches(tree: Path) -> tuple[str, ...]:
    """Apply what fits of our patches; return their names.

    The source may be another version's, or may have a change already: what does not fit is left
    out whole, and `pjsua2_limits.PATCHES` tells acd what it can build on.
    """
    applied: list[str] = []
    for path in PATCHES:
        command = ["patch", "--strip=1", "--forward", "--batch", f"--input={path}"]
        fits = subprocess.run(
            [*command, "--dry-run"], cwd=tree, check=False, stdout=sys.stderr
        ).returncode
        if fits != 0:
            print(f"acd: {path.name} does not fit this pjproject: left out", file=sys.stderr)
            continue
        _run(command, cwd=tree, why=f"{path.name} could not be applied: {REMEDY}")
        applied.append(path.stem)
    return tuple(applied)


def configure(tree: Path) -> None:
    """Write the configuration and run pjproject's configure script."""
    shutil.copy(HERE / "config_site.h", tree / "pjlib/include/pj/config_site.h")
    stripped = tree / STRIPPED_FILE
    if not stripped.exists():
        stripped.touch()
    command = ["sh", "./aconfigure", *CONFIGURE_FLAGS]
    flags = {"CFLAGS": CFLAGS, "CXXFLAGS": CFLAGS}
    _run(
        command,
        cwd=tree,
        env={**os.environ, **flags},
        why=f"pjproject's configure failed: {REMEDY}",
    )


def compile_binding(tree: Path, payload: Path) -> None:
    """Compile the libraries and, beside them, the wrapper; then link both into one module.

    SWIG's wrapper is one file that keeps a core busy for as long as all the libraries together,
    and needs only their headers.
    """
    with ThreadPoolExecutor() as pool:
        wrapper = pool.submit(_compile_wrapper, tree, payload)
        jobs = f"-j{os.cpu_count() or 1}"
        _run(
            ["make", jobs, "lib"], cwd=tree, why=f"pjproject's libraries did not compile: {REMEDY}"
        )
        wrapped = wrapper.result()
    module = payload / f"_pjsua2{sysconfig.get_config_var('EXT_SUFFIX')}"
    libraries = [f"-l{name}" for name in _make_variable(tree, "libs")]
    folders = _make_variable(tree, "ldflags")
    command = ["g++", "-shared", "-o", str(module), str(wrapped), *folders, *libraries]
    _run(command, cwd=tree, why=f"pjsua2 did not link: {REMEDY}")
    _run(["strip", "--strip-unneeded", str(module)], why=f"pjsua2 could not be stripped: {REMEDY}")


def _compile_wrapper(tree: Path, payload: Path) -> Path:
    bindings = tree / "pjsip-apps/src/swig"
    wrapper = bindings / "python/pjsua2_wrap.cpp"
    flags = _make_variable(tree, "cflags")
    includes = [flag for flag in flags if flag.startswith("-I")]
    swig = ["swig", *includes, "-c++", "-w312", "-threads", "-fastproxy", "-python"]
    _run(
        [*swig, "-outdir", str(payload), "-o", str(wrapper), "pjsua2.i"],
        cwd=bindings,
        why=f"SWIG could not read pjsua2's interface: {REMEDY}",
    )
    # The wrapper only unpacks arguments; -O1 halves the time of the longest step here.
    compiler = ["g++", *flags, "-O1", "-w", f"-I{sysconfig.get_path('include')}"]
    compiled = wrapper.with_suffix(".o")
    _run(
        [*compiler, "-c", str(wrapper), "-o", str(compiled)],
        why=f"pjsua2 did not compile: {REMEDY}",
    )
    return compiled


def _make_variable(tree: Path, name: str) -> list[str]:
    """Ask pjproject's own makefile for `cflags`, `ldflags` or `libs`."""
    command = ["make", "--no-print-directory", "-f", "helper.mak", name]
    folder = tree / "pjsip-apps/src/swig/python"
    return _answer(command, cwd=folder, why=f"pjproject does not tell its {name}: {REMEDY}").split()


def limits_module(tree: Path, version: str, patched: Sequence[str]) -> str:
    """Compile a program that prints the limits as the headers have them, and run it."""
    program = tree / "limits.c"
    prints = "".join(f'printf("{name} = %d\\n", (int)({macro}));' for name, macro in LIMITS.items())
    program.write_text(
        f"#include <pjsua-lib/pjsua.h>\n#include <stdio.h>\nint main(void){{{prints}return 0;}}\n"
    )
    binary = program.with_suffix("")
    flags = _make_variable(tree, "cflags")
    _run(
        ["gcc", *flags, str(program), "-o", str(binary)],
        why=f"pjsua2's limits did not compile: {REMEDY}",
    )
    values = _answer([str(binary)], why=f"pjsua2 does not tell its limits: {REMEDY}")
    opening = '"""What this pjsua2 was compiled for; read it before asking pjsua for more."""\n\n'
    told = f'PJPROJECT_VERSION = "{version}"\nPATCHES = {tuple(patched)!r}\n'
    return f"{opening}{told}{values}"


def self_check(payload: Path) -> None:
    """Import the binding in a fresh Python and compare its limit with the one written down."""
    command = [sys.executable, "-c", SELF_CHECK]
    env = {**os.environ, "PYTHONPATH": str(payload), "PYTHONDONTWRITEBYTECODE": "1"}
    _run(command, cwd=payload, env=env, why=f"pjsua2 was built but does not import: {REMEDY}")


def write_wheel(payload: Path, wheel: Path, version: str) -> None:
    """Pack the payload with its metadata (PEP 427); no tool of Python's own is needed for it."""
    info = f"pjsua2-{version}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: pjsua2\nVersion: {version}\n"
        "Summary: SIP user agent library, built by acd for 1,000 calls and more\n"
        "License: GPL-2.0-or-later\n"
    )
    about = f"Wheel-Version: 1.0\nGenerator: acd\nRoot-Is-Purelib: false\nTag: {wheel_tag()}\n"
    files = {path.name: path.read_bytes() for path in sorted(payload.iterdir()) if path.is_file()}
    files[f"{info}/METADATA"] = metadata.encode()
    files[f"{info}/WHEEL"] = about.encode()
    record = [f"{name},sha256={_record_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)


def _record_digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _answer(command: Sequence[str], *, why: str, cwd: Path | None = None) -> str:
    """What a program prints."""
    done = subprocess.run(command, cwd=cwd, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BuildError(why)
    return done.stdout


def _run(
    command: Sequence[str],
    *,
    why: str,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> None:
    """Run a program with its output on ours, which make setup keeps in a log."""
    print("+", " ".join(command), file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=cwd, env=env, check=False, stdout=sys.stderr)
    if done.returncode != 0:
        raise BuildError(why)


if __name__ == "__main__":
    sys.exit(main())
