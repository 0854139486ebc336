"""Builds the folder that users put on NUKE_PATH: ``python plugin_nuke/package.py [--out DIR]``.

Runs outside Nuke, on any Python from 3.9 that has pip. The folder holds the plugin, matte_link, and pyzmq for each
Python and platform of the supported versions of Nuke. It is made whole under a temporary name and then renamed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

import panel_picture  # noqa: E402 - beside this file, whatever it is started from

NAME = "cleanplate_nuke"
PYZMQ = "27.1.0"
"""Its wheels need glibc 2.17 for Python 3.9 and 2.28 above, which are what the Linux of Nuke 14 and of 15 has."""
PYTHONS = ("39", "310", "311")
"""Nuke 14, Nuke 15, Nuke 16 and 17."""
_FILES = ("init.py", "menu.py", "README.md", "DETAILS.md", "CHECKLIST.md", "REPORTS.md")


@dataclass(frozen=True)
class Platform:
    """One folder's platform as ``vendor.tag`` calls it, and pip's names for wheels that run there."""

    name: str
    tags: tuple[str, ...]


PLATFORMS = (
    Platform("linux-x86_64", ("manylinux2014_x86_64", "manylinux_2_26_x86_64", "manylinux_2_28_x86_64")),
    Platform("windows-x86_64", ("win_amd64",)),
    # One wheel for both processors: Nuke 14 is Intel's only, Nuke 15 and later both.
    Platform("macos", ("macosx_10_15_universal2",)),
)


class NukePackageError(Exception):
    """One sentence of what could not be built."""


def vendored(python: str, platform: Platform) -> str:
    """The folder of one interpreter's libraries, for example ``cp311-linux-x86_64``."""
    return f"cp{python}-{platform.name}"


def build(out: Path, pythons: Sequence[str] = PYTHONS, platforms: Sequence[Platform] = PLATFORMS) -> Path:
    """Builds the folder inside ``out`` and returns it. Where it raises
    ``NukePackageError``, an older one stays as it was."""
    out.mkdir(parents=True, exist_ok=True)
    target = out / NAME
    with tempfile.TemporaryDirectory(prefix=f".{NAME}-", dir=out) as temporary:
        made = Path(temporary, NAME)
        copy_plugin(made)
        for python in pythons:
            for platform in platforms:
                add_pyzmq(made / "vendor" / vendored(python, platform), python, platform)
        if target.exists():
            _check_ours(target)
            target.rename(Path(temporary, "old"))
        made.rename(target)
    return target


def _check_ours(target: Path) -> None:
    if not any((target / name / "callbacks.py").is_file() for name in ("cleanplate_node", "matte")):
        raise NukePackageError(
            f"{target} exists and is no Cleanplate folder; move it away or choose another --out."
        )


def copy_plugin(folder: Path) -> None:
    """Everything but pyzmq."""
    folder.mkdir(parents=True)
    for name in _FILES:
        if not (HERE / name).is_file():
            raise NukePackageError(f"{HERE / name} is missing; this checkout is incomplete.")
        shutil.copy2(HERE / name, folder / name)
    shutil.copy2(HERE.parent / "LICENSE", folder / "LICENSE")
    (folder / "panel.svg").write_text(panel_picture.draw(), encoding="utf-8")
    for source in (HERE / "cleanplate_node", HERE / "matte", HERE.parent / "shared" / "matte_link"):
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def add_pyzmq(folder: Path, python: str, platform: Platform) -> None:
    """Downloads one wheel and unpacks it; nothing of it is run."""
    with tempfile.TemporaryDirectory(prefix="cleanplate-wheel-") as temporary:
        _download(Path(temporary), python, platform)
        wheels = list(Path(temporary).glob("*.whl"))
        if len(wheels) != 1:
            raise NukePackageError(f"pip brought {len(wheels)} wheels of pyzmq for {folder.name}, not one.")
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(folder)
    if not (folder / "zmq" / "__init__.py").is_file():
        raise NukePackageError(f"the wheel of pyzmq for {folder.name} holds no zmq.")


def _download(folder: Path, python: str, platform: Platform) -> None:
    words = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--implementation", "cp"]
    words += ["--python-version", f"{python[0]}.{python[1:]}", "--abi", f"cp{python}", "--dest", str(folder)]
    for tag in platform.tags:
        words += ["--platform", tag]
    done = subprocess.run([*_pip(), *words, f"pyzmq=={PYZMQ}"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise NukePackageError(f"pip could not bring pyzmq {PYZMQ} for {vendored(python, platform)}: {lines[-1:]}.")


def _pip() -> list[str]:
    """This interpreter's pip, else the one on PATH."""
    for command in ([sys.executable, "-m", "pip"], ["pip3"], ["pip"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, "--version"], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    raise NukePackageError("there is no pip here; run 'uv run --with pip python plugin_nuke/package.py'.")


def main(words: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build the folder that goes on NUKE_PATH.")
    parser.add_argument("--out", type=Path, default=HERE.parent / "dist", help="where to build (default: dist)")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="only this one; may be repeated")
    parser.add_argument("--platform", action="append", choices=[platform.name for platform in PLATFORMS])
    arguments = parser.parse_args(words)
    platforms = [one for one in PLATFORMS if not arguments.platform or one.name in arguments.platform]
    try:
        folder = build(arguments.out, arguments.python or PYTHONS, platforms)
    except (NukePackageError, OSError, zipfile.BadZipFile) as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    print(f"Built {folder}. Put it on NUKE_PATH, or copy its files into ~/.nuke; see README.md in it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
