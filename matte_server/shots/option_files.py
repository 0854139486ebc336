"""The files that the options of a matte name: weights and OCIO configs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from matte_link.options import MatteOptions

_NAMING_FILES = ("weights", "ocio_config")


def seen_from(folder: Path, name: str) -> Path:
    """The path of a file that is named in ``folder``; ~ is the user's."""
    return folder / os.path.expanduser(name)  # noqa: PTH111 - raises nothing where there is no home


def with_whole_paths(options: MatteOptions, folder: Path = Path()) -> MatteOptions:
    """The options with the whole path of each file that is there, seen from ``folder``, as a server has another
    working folder. Other names stay: they are files of the server's, or OCIO's own configs."""
    named = {name: text for name in _NAMING_FILES if (text := getattr(options, name))}
    there = {name: seen_from(folder, text) for name, text in named.items()}
    whole: dict[str, Any] = {name: str(path.resolve()) for name, path in there.items() if path.is_file()}
    return replace(options, **whole)


def files_of(options: Iterable[MatteOptions]) -> list[Path]:
    """The files of this machine that options name by their whole paths, each once."""
    named = {Path(text) for each in options for name in _NAMING_FILES if (text := getattr(each, name))}
    return sorted(path for path in named if path.is_absolute() and path.is_file())
