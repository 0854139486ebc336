"""The files that the options of a matte name: weights and OCIO configs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from matte_link.options import MatteOptions

from .named_paths import with_variables

_NAMING_FILES = ("weights", "ocio_config")


def with_whole_paths(options: MatteOptions, folder: Path = Path()) -> MatteOptions:
    """The options with the whole path of each file that is there, seen from ``folder``, as a server has another
    working folder. Other names stay, but for their environment variables: they are files of the server's, or OCIO's
    own configs. Raises ``MatteError``: not_set, bad_name."""
    named = {name: with_variables(text, folder) for name in _NAMING_FILES if (text := getattr(options, name))}
    # ~ may be another on the server. This raises nothing where there is no home.
    there = {name: folder / os.path.expanduser(text) for name, text in named.items()}  # noqa: PTH111
    whole: dict[str, Any] = {name: str(path.resolve()) for name, path in there.items() if path.is_file()}
    return replace(options, **{**named, **whole})


def files_of(options: Iterable[MatteOptions]) -> list[Path]:
    """The files of this machine that options name by their whole paths, each once."""
    named = {Path(text) for each in options for name in _NAMING_FILES if (text := getattr(each, name))}
    return sorted(path for path in named if path.is_absolute() and path.is_file())
