"""Names the content of an OCIO config: results that were made through another one are other results."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_FILE = re.compile(r"\bsrc:\s*(?:\"([^\"\n]+)\"|'([^'\n]+)'|([^\s,}\"'][^,}\n]*))")
"""The file of a FileTransform, as a config in YAML names it."""
LARGEST_FILE = 1 << 28
"""Bytes of a config or a LUT. One of 129 samples a side takes 60 MB as text."""
_PIECE = 1 << 20
_SEARCH = re.compile(r"^search_path:[ \t]*(.*(?:\n[ \t]*-.*)*)", re.MULTILINE)


def config_digest(config: str) -> str:
    """The digest of an OCIO config and of the LUT files that it names: BLAKE2b, 16 bytes, in hex. ``config`` is its
    path; if it is empty, ``$OCIO``. Empty where neither is given; the name itself of a config that is built into
    OCIO, and of a file that cannot be read."""
    name = config or os.environ.get("OCIO", "")
    if not name or name.startswith("ocio://") or not Path(name).is_file():
        return name
    try:
        content = Path(name).read_bytes()
    except OSError:
        return name
    found = hashlib.blake2b(content, digest_size=16)
    for path in _luts(Path(name), content.decode("utf-8", "replace")):
        found.update(path.name.encode("utf-8", "surrogateescape") + b"\0")
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    return found.hexdigest()


def unusable_file(config: Path) -> str:
    """Why a file cannot be read that a config on disk, or the config itself, is made of, in words; empty where all
    can. OpenColorIO would wait for a named pipe, and read a device without end. Raises ``OSError``."""
    facts = config.stat()
    if facts.st_size > LARGEST_FILE:
        return f"{config} is larger than {LARGEST_FILE >> 20} MiB"
    names = _names_of(config, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    for path in _there(config, names):
        if not path.is_file() and not path.is_dir():
            return f"{path}, which it names, is neither a file nor a folder"
        if path.stat().st_size > LARGEST_FILE:
            return f"{path}, which it names, is larger than {LARGEST_FILE >> 20} MiB"
    return ""


def luts_of(config: str) -> list[Path]:
    """The LUT files that a config on disk names. Raises ``OSError``."""
    return list(_luts(Path(config), Path(config).read_text(encoding="utf-8", errors="replace")))


def _luts(config: Path, text: str) -> Iterator[Path]:
    """The files that the config names, in the order of their names; those that are not there are left out."""
    return (path for path in _there(config, _Names.of(text)) if path.is_file())


@dataclass(frozen=True)
class _Names:
    """The files that a config's text names, sorted, and the folders in which OCIO looks for them."""

    files: tuple[str, ...]
    folders: tuple[str, ...]

    @staticmethod
    def of(text: str) -> _Names:
        files = {next(filter(None, match.groups())).strip() for match in _FILE.finditer(text)}
        return _Names(files=tuple(sorted(files)), folders=tuple(_search_path(text)))


@lru_cache(maxsize=8)
def _names_of(config: Path, size: int, modified_ns: int, changed_ns: int) -> _Names:
    """Those of a file in this state: each picture has them checked, and a studio's config has hundreds of KB."""
    return _Names.of(config.read_text(encoding="utf-8", errors="replace"))


def _there(config: Path, names: _Names) -> Iterator[Path]:
    """What is there under the names of the config's LUTs, files or not, in the order of their names."""
    folders = [config.parent, *(config.parent / folder for folder in names.folders)]
    for name in names.files:
        # OCIO takes the first that it finds; where several are there, all of them count.
        yield from (path for folder in folders if (path := folder / os.path.expandvars(name)).exists())


def _search_path(text: str) -> list[str]:
    match = _SEARCH.search(text)
    if not match:
        return []
    return [part.strip(" \t-\"'") for part in re.split(r"[:\n]", match.group(1)) if part.strip(" \t-\"'")]
