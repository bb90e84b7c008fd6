from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from acd.sip.binding import build


def make_source(folder: Path) -> Path:
    """Lay out what tells a pjproject tree, and what a user's built tree has besides."""
    files = {
        "version.mak": (
            "export PJ_VERSION_MAJOR  := 2\nexport PJ_VERSION_MINOR  := 17\n"
            "export PJ_VERSION_REV    :=\nexport PJ_VERSION_SUFFIX := \n"
        ),
        "aconfigure": "#!/bin/sh\n",
        "pjsip-apps/src/swig/pjsua2.i": "%module pjsua2\n",
        "pjlib/include/pj/config_site.h": "#define PJSUA_MAX_CALLS 4\n",
        "pjlib/src/pj/os.c": "int os;\n",
        "pjlib/build/os.o": "object\n",
        "pjlib/lib/libpj.a": "library\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def make_tarball(folder: Path) -> Path:
    tarball = folder.parent / "pjproject-2.17.tar.gz"
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(folder, "pjproject-2.17")
    return tarball


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, list[str]]:
    """Run the program: exit code, stdout, and the sentences on stderr."""
    code = build.main(arguments)
    out, err = capfd.readouterr()
    return code, out, [line for line in err.splitlines() if line.startswith("acd: ")]


# The key


def test_digest_changes_with_every_file_of_the_recipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = tuple(tmp_path / path.name for path in build.RECIPE)
    for copy, path in zip(recipe, build.RECIPE, strict=True):
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "RECIPE", recipe)
    digests = [build.recipe_digest(None)]
    for copy in recipe:
        copy.write_text(copy.read_text() + "\n")
        digests.append(build.recipe_digest(None))

    assert len(set(digests)) == 1 + len(recipe)
    assert all(re.fullmatch("c[0-9a-f]{8}", digest) for digest in digests)


def test_digest_changes_with_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    here = build.recipe_digest(None)
    monkeypatch.setattr(build, "_distribution", lambda: 'ID=debian\nVERSION_ID="99"\n')

    assert build.recipe_digest(None) != here


def test_own_folder_has_a_digest_that_follows_its_files(tmp_path: Path) -> None:
    source = make_source(tmp_path / "pjproject")
    first = build.recipe_digest(source)
    again = build.recipe_digest(source)
    (source / "pjlib/src/pj/os.c").write_text("int os, more;\n")

    assert first == again
    assert build.recipe_digest(None) != first
    assert build.recipe_digest(source) != first


def test_own_folder_keeps_its_digest_when_its_user_builds_in_it(tmp_path: Path) -> None:
    source = make_source(tmp_path / "pjproject")
    first = build.recipe_digest(source)
    (source / "pjlib/build/os.o").write_text("another object\n")
    (source / "pjlib/include/pj/config_site.h").write_text("#define PJSUA_MAX_CALLS 8\n")

    assert build.recipe_digest(source) == first


def test_own_folder_is_another_source_than_the_folder_around_it(tmp_path: Path) -> None:
    source = make_source(tmp_path / "around" / "pjproject")

    assert build.recipe_digest(source) != build.recipe_digest(source.parent)
    assert build.recipe_digest(source) == build.recipe_digest(source.rename(tmp_path / "moved"))


def test_own_tarball_has_a_digest_that_follows_its_time(tmp_path: Path) -> None:
    tarball = make_tarball(make_source(tmp_path / "pjproject"))
    first = build.recipe_digest(tarball)
    os.utime(tarball, (1, 1))

    assert build.recipe_digest(tarball) != first


# Names


def test_wheel_is_named_by_version_recipe_and_python() -> None:
    major, minor = sys.version_info[:2]

    name = build.wheel_name("2.17", "c0123abcd")

    assert name.startswith(f"pjsua2-2.17+acd.c0123abcd-cp{major}{minor}-cp{major}{minor}-linux_")
    assert name.endswith(".whl")
    assert "." not in name.removesuffix(".whl").rsplit("-", 1)[1]


def test_find_takes_the_newest_wheel_of_this_recipe_and_python(tmp_path: Path) -> None:
    digest = build.recipe_digest(None)
    older, newer = (tmp_path / build.wheel_name(v, digest) for v in ("2.17", "2.9"))
    others = [
        tmp_path / build.wheel_name("2.18", "c00000000"),
        tmp_path / build.wheel_name("2.18", digest).replace("-cp3", "-cp4"),
    ]
    for age, wheel in enumerate([older, newer, *others]):
        wheel.touch()
        os.utime(wheel, (age, age))

    assert build.find_wheel(tmp_path, own_source=None) == newer
    assert build.find_wheel(tmp_path, own_source=make_source(tmp_path / "pjproject")) is None


def test_find_prints_the_wheel_or_only_exits_1(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(capfd, "--cache", str(tmp_path), "--find") == (1, "", [])
    wheel = tmp_path / "wheels" / build.wheel_name("2.17", build.recipe_digest(None))
    wheel.parent.mkdir()
    wheel.touch()

    assert run(capfd, "--cache", str(tmp_path), "--find") == (0, f"{wheel}\n", [])


@pytest.mark.parametrize("rev", ["", "1"])
def test_version_is_read_from_the_source(tmp_path: Path, rev: str) -> None:
    source = make_source(tmp_path / "pjproject")
    makefile = source / "version.mak"
    makefile.write_text(makefile.read_text().replace("REV    :=", f"REV    := {rev}"))

    assert build.pjproject_version(source) == ("2.17.1" if rev else "2.17")


# The wheel


def test_wheel_holds_the_payload_and_a_record_that_fits(tmp_path: Path) -> None:
    payload = tmp_path / "payload"
    payload.mkdir()
    (payload / "pjsua2.py").write_text("import _pjsua2\n")
    (payload / "_pjsua2.so").write_bytes(b"\x7fELF")
    wheel = tmp_path / build.wheel_name("2.17", "c0123abcd")

    build.write_wheel(payload, wheel, "2.17+acd.c0123abcd")

    info = "pjsua2-2.17+acd.c0123abcd.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(files) == {"pjsua2.py", "_pjsua2.so"} | {
        f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD")
    }
    assert "\nVersion: 2.17+acd.c0123abcd\n" in files[f"{info}/METADATA"].decode()
    assert f"\nTag: {build.wheel_tag()}\n" in files[f"{info}/WHEEL"].decode()
    *rows, last = files[f"{info}/RECORD"].decode().splitlines()
    assert last == f"{info}/RECORD,,"
    for row in rows:
        name, digest, size = row.split(",")
        data = files[name]
        expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={expected}", str(len(data)))


def test_limits_are_asked_of_the_headers_that_config_site_overrides() -> None:
    text = (build.HERE / "config_site.h").read_text()
    defined = dict(re.findall(r"^#define (\w+) (.+)$", text, re.MULTILINE))

    assert int(defined["PJSUA_MAX_CALLS"]) >= 2 * 999
    assert {"PJSUA_MAX_CALLS", "PJSUA_MAX_ACC", "PJSUA_MAX_PLAYERS"} <= set(build.LIMITS.values())


# What it refuses, each in one sentence


@pytest.mark.parametrize("form", ["folder", "tarball"])
def test_source_of_the_users_own_is_laid_out_without_old_objects(tmp_path: Path, form: str) -> None:
    source = make_source(tmp_path / "pjproject")
    if form == "tarball":
        source = make_tarball(source)

    tree = build.unpack(source, tmp_path / "tree")

    assert build.pjproject_version(tree) == "2.17"
    if form == "folder":
        left = {path.name for path in tree.rglob("*")}
        assert not left & {"os.o", "libpj.a", "config_site.h"}


@pytest.mark.parametrize("form", ["another folder", "another tarball", "no archive", "nothing"])
def test_source_that_is_not_pjproject_is_one_sentence(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    monkeypatch.setattr(build, "check_tools", lambda: None)
    source = tmp_path / "other"
    if form == "no archive":
        source.write_text("no archive at all")
    elif form != "nothing":
        source.mkdir()
        (source / "version.mak").touch()
    if form == "another tarball":
        source = make_tarball(source)
    cache = tmp_path / "cache"

    code, out, sentences = run(
        capfd, "--cache", str(cache), "--own-source", "--source", str(source)
    )

    assert (code, out, len(sentences)) == (1, "", 1)
    assert f"{source} is not a pjproject source tree" in sentences[0]
    assert "set PJPROJECT_SOURCE to one that" in sentences[0]
    assert list((cache / "wheels").iterdir()) == []


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (build.configure, "pjproject's configure failed: the lines above in the log say why; "),
        (
            lambda tree: build.compile_binding(tree, tree),
            "pjproject's libraries did not compile: the lines above in the log say why; ",
        ),
        (
            lambda tree: build.limits_module(tree, "2.17", ()),
            "pjproject does not tell its cflags: ",
        ),
        (build.self_check, "pjsua2 was built but does not import: "),
    ],
)
def test_a_step_that_fails_is_one_sentence_with_a_remedy(
    tmp_path: Path, step: Callable[[Path], object], told: str
) -> None:
    tree = make_source(tmp_path / "pjproject")
    (tree / "aconfigure").write_text("exit 1\n")
    (tree / "Makefile").write_text("lib:\n\tfalse\n")
    (tree / build.STRIPPED_FILE).parent.mkdir(parents=True)
    (tree / "pjsua2.py").write_text("import nothing_of_this_name\n")
    python = tree / "pjsip-apps/src/swig/python"
    python.mkdir()
    (python / "helper.mak").write_text("cflags:\n\tfalse\n")
    with pytest.raises(build.BuildError) as failed:
        step(tree)
    assert str(failed.value).startswith(told)
    assert str(failed.value).endswith(build.REMEDY)


def test_missing_tools_are_all_in_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = tmp_path / "include"
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(headers))
    monkeypatch.setenv("PATH", str(tmp_path))
    source = make_source(tmp_path / "pjproject")

    code, out, sentences = run(capfd, "--cache", str(tmp_path / "cache"), "--source", str(source))

    assert (code, out, len(sentences)) == (1, "", 1)
    for name in (*build.TOOLS, str(headers / "Python.h")):
        assert name in sentences[0]
    assert "install what is missing" in sentences[0]
    assert not (tmp_path / "cache").exists()


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in build.TOOLS:
        program = tmp_path / tool
        program.write_text('#!/bin/sh\ntest "$2" != libsrtp2\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(build.BuildError, match=r"needs libsrtp2 \(with headers\): install"):
        build.check_tools()


# The patches


def test_a_patch_that_does_not_fit_is_left_out_and_the_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = make_source(tmp_path / "pjproject")
    fits, other = tmp_path / "fits.patch", tmp_path / "other.patch"
    head = "--- a/pjlib/src/pj/os.c\n+++ b/pjlib/src/pj/os.c\n@@ -1 +1 @@\n"
    fits.write_text(f"{head}-int os;\n+int patched;\n")
    other.write_text(f"{head}-int another_version;\n+int patched;\n")
    monkeypatch.setattr(build, "PATCHES", (other, fits))

    assert build.apply_patches(source) == ("fits",)

    assert (source / "pjlib/src/pj/os.c").read_text() == "int patched;\n"
    assert "other.patch does not fit this pjproject" in capfd.readouterr().err


def test_every_patch_belongs_to_the_recipe() -> None:
    assert build.PATCHES
    assert set(build.PATCHES) <= set(build.RECIPE)
