"""Builds the add-on's zips, one per platform, with pyzmq and matte_link inside.

    python plugin_blender/package.py [--output dist] [--platform linux-x64 ...] [--tool blender_ext.py]

Blender 4.5 and 5.0 run Python 3.11, 5.2 runs 3.13: each zip carries a wheel for both, and the one for Linux a
third, for the Python 3.14 of distributions that build Blender themselves. Wheels come from the package index
through pip, are checked against the digests below and kept in ``build/wheels``. ``--tool`` validates each zip with
Blender's own extension tool (``scripts/addons_core/bl_pkg/cli/blender_ext.py`` in a Blender).
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
WHEELS = REPOSITORY / "build" / "wheels"
PYZMQ = "26.4.0"
_NOT_SHIPPED = ("package.py",)
# One date for every file: the same sources make the same zip.
_DATE = (2026, 1, 1, 0, 0, 0)


class BlenderPackageError(Exception):
    """The zip cannot be built; one sentence."""


@dataclass(frozen=True)
class Wheel:
    """One wheel of pyzmq: the Python that it is for, as its tag, platform tag and digest. ``stable`` is the oldest
    Python of a wheel that newer ones can use too."""

    python: str
    platform: str
    sha256: str
    version: str = PYZMQ
    stable: str = ""

    @property
    def tags(self) -> tuple[str, str]:
        """The tags of Python and its interface in the name that the index has."""
        return (self.stable, "abi3") if self.stable else (self.python, self.python)

    @property
    def name(self) -> str:
        """Its file name in the zip. Beside wheels for one Python each, Blender takes one for several Pythons for
        none: it is named for the one Python that has no other."""
        return f"pyzmq-{self.version}-{self.python}-{self.python}-{self.platform}.whl"


_LINUX = (
    Wheel(
        python="cp311",
        platform="manylinux_2_28_x86_64",
        sha256="2f9f7ffe9db1187a253fca95191854b3fda24696f086e8789d1d449308a34b88",
    ),
    Wheel(
        python="cp313",
        platform="manylinux_2_28_x86_64",
        sha256="6332452034be001bbf3206ac59c0d2a7713de5f25bb38b06519fc6967b7cf771",
    ),
    Wheel(
        python="cp314",
        platform="manylinux_2_28_x86_64",
        sha256="858fe25231e0fd8612da142efde019faa5ef63fa150a821a27870e791b38c798",
        version="27.3.0",
        stable="cp312",
    ),
)
_WINDOWS = (
    Wheel(
        python="cp311",
        platform="win_amd64",
        sha256="963977ac8baed7058c1e126014f3fe58b3773f45c78cce7af5c26c09b6823896",
    ),
    Wheel(
        python="cp313",
        platform="win_amd64",
        sha256="23ecc9d241004c10e8b4f49d12ac064cd7000e1643343944a10df98e57bc544b",
    ),
)
_MACOS = (
    Wheel(
        python="cp311",
        platform="macosx_10_15_universal2",
        sha256="bfcf82644c9b45ddd7cd2a041f3ff8dce4a0904429b74d73a439e8cab1bd9e54",
    ),
    Wheel(
        python="cp313",
        platform="macosx_10_15_universal2",
        sha256="c43fac689880f5174d6fc864857d1247fe5cfa22b09ed058a344ca92bf5301e3",
    ),
)
PLATFORMS = {"linux-x64": _LINUX, "windows-x64": _WINDOWS, "macos-arm64": _MACOS, "macos-x64": _MACOS}


def build(platform: str, output: Path) -> Path:
    """Builds one platform's zip; its path. Raises ``BlenderPackageError``."""
    wheels = PLATFORMS[platform]
    output.mkdir(parents=True, exist_ok=True)
    target = output / f"cleanplate-{_version()}-{platform.replace('-', '_')}.zip"
    temporary = target.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "blender_manifest.toml", manifest(platform, wheels).encode())
        for name, file in shipped_files():
            _add(archive, name, file.read_bytes())
        for wheel in wheels:
            _add(archive, f"wheels/{wheel.name}", fetch(wheel).read_bytes())
    return temporary.replace(target)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)


def _version() -> str:
    return str(tomllib.loads((HERE / "blender_manifest.toml").read_text(encoding="utf-8"))["version"])


def manifest(platform: str, wheels: tuple[Wheel, ...]) -> str:
    """The manifest of one platform's zip: the one of the sources, and what it carries."""
    general, table, rest = (HERE / "blender_manifest.toml").read_text(encoding="utf-8").partition("\n[")
    listed = "".join(f'  "./wheels/{wheel.name}",\n' for wheel in wheels)
    return f'{general}platforms = ["{platform}"]\nwheels = [\n{listed}]\n{table}{rest}'


def shipped_files() -> Iterator[tuple[str, Path]]:
    """Names in the zip and their files."""
    for file in sorted(HERE.glob("*.py")):
        if file.name not in _NOT_SHIPPED:
            yield file.name, file
    for file in sorted((REPOSITORY / "shared" / "matte_link").glob("*.py")):
        yield f"matte_link/{file.name}", file
    for file in sorted((HERE / "docs").glob("*.*")):
        yield f"docs/{file.name}", file
    yield "README.md", HERE / "README.md"
    yield "LICENSE", HERE / "LICENSE"
    yield "NOTICE", HERE / "NOTICE"
    yield "matte_link/LICENSE", REPOSITORY / "LICENSE"


def fetch(wheel: Wheel) -> Path:
    """The wheel's file, downloaded where it is not kept yet. Raises ``BlenderPackageError``."""
    file = WHEELS / wheel.name
    if not file.exists():
        WHEELS.mkdir(parents=True, exist_ok=True)
        _download(wheel)
    if hashlib.sha256(file.read_bytes()).hexdigest() != wheel.sha256:
        file.unlink()
        raise BlenderPackageError(f"{wheel.name} is not the file that was expected: its digest differs.")
    return file


def _download(wheel: Wheel) -> None:
    python, interface = wheel.tags
    wanted = ["--only-binary=:all:", "--no-deps", "--platform", wheel.platform, "--implementation", "cp"]
    wanted += ["--python-version", python[2:], "--abi", interface]
    with tempfile.TemporaryDirectory(dir=WHEELS) as folder:
        command = [*_pip(), "download", "-q", *wanted, "--dest", folder, f"pyzmq=={wheel.version}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise BlenderPackageError(
                f"{wheel.name} cannot be downloaded: {lines[-1] if lines else 'pip printed nothing'}"
            )
        (downloaded,) = Path(folder).iterdir()
        downloaded.replace(WHEELS / wheel.name)


def _pip() -> list[str]:
    """pip of this Python, else uv's."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    if shutil.which("uv"):
        return ["uv", "tool", "run", "pip"]
    raise BlenderPackageError("There is neither pip nor uv to download wheels with.")


def validate(zip_file: Path, tool: Path) -> None:
    """Has Blender's extension tool check the zip. Raises ``BlenderPackageError``."""
    done = subprocess.run(
        [sys.executable, str(tool), "validate", str(zip_file)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BlenderPackageError(f"{zip_file.name} is refused by Blender: {(done.stdout + done.stderr).strip()}")


def main(arguments: list[str] | None = None) -> int:
    """Builds what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="package.py", description="Builds the add-on's zips.")
    parser.add_argument(
        "--output", type=Path, default=REPOSITORY / "dist", metavar="FOLDER", help="(default: dist)"
    )
    parser.add_argument("--platform", action="append", choices=sorted(PLATFORMS), help="(default: all)")
    parser.add_argument("--tool", type=Path, metavar="FILE", help="Blender's blender_ext.py, to validate with")
    options = parser.parse_args(arguments)
    try:
        for platform in options.platform or PLATFORMS:
            zip_file = build(platform, options.output)
            if options.tool:
                validate(zip_file, options.tool)
            print(zip_file)
    except BlenderPackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
