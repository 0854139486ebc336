"""Names the content of an OCIO config: results that were made through another one are other results."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from matte_link.ocio_luts import LutNames, names_in

LARGEST_FILE = 1 << 28
"""Bytes of a config or a LUT. One of 129 samples a side takes 60 MB as text."""
_PIECE = 1 << 20


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
    for path in names_in(config).there(config):
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
    return (path for path in LutNames.of(text).there(config) if path.is_file())
