"""What names of files mean in job files, on the command line and in a farm's jobs: one rule for all of them.

``$SHOW`` and ``${SHOW}`` are variables of the environment, ``$$`` is a ``$``, ``~`` is the user's folder. A shell
does the same, but not between the quotes that a name such as ``'$SHOW/plate.$F4.exr'`` needs, and not in a file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from matte_link.sequence import FramePattern, is_number_at

from ..errors import MatteError

_VARIABLE = re.compile(r"\$(?:\$|\{([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
"""A variable, or the ``$$`` that stands for a ``$``."""
_FOLDERS = re.compile(rf"(?<=[/{re.escape(os.sep)}])")
"""Where one folder of a path ends and the next begins."""


def named_path(name: str, folder: Path = Path()) -> str:
    """The path that a name in ``folder`` means: see :func:`with_variables`; ~ is the user's folder. Raises
    ``MatteError``: not_set, bad_name, no_user."""
    path = os.path.expanduser(with_variables(name, folder))  # noqa: PTH111 - raises nothing where there is no home
    user = path.split("/", 1)[0]
    if path.startswith("~") and "/" in path and not os.path.lexists(folder / user):
        raise MatteError(
            "no_user", f"{name} begins with {user}, and there is no such user here.", f"Write ./{path}."
        )
    return path


def with_variables(name: str, folder: Path = Path()) -> str:
    """The name with the values of its environment variables. A folder or file of ``folder`` that is there as it is
    written, and frame numbers such as $F4 in a file's name, are none; a folder called $SHOW is, where SHOW is set.
    Raises ``MatteError``: not_set where a variable is not set, or empty; bad_name where ``$$`` stands before what
    would make a frame number of its $."""
    if "$" not in name:
        return name
    path = ""
    for part in _FOLDERS.split(name):
        is_plain = "$" not in part or (not _is_set(part) and _is_there(folder / (path + part)))
        path += part if is_plain else _VARIABLE.sub(lambda found: _value(found, name), part)
    return path


def written_name(path: str) -> str:
    """A name that :func:`with_variables` takes for ``path`` on any machine, whichever variables are set there."""
    *folders, name = _FOLDERS.split(path)
    doubled = (
        "$$" if character == "$" and not is_number_at(name, place) else character
        for place, character in enumerate(name)
    )
    return "".join(folders).replace("$", "$$") + "".join(doubled)


def _is_set(part: str) -> bool:
    """Whether the whole name of a folder is a variable that is set. Earlier versions made folders that are called
    $SHOW, which must not stand in for the show's own."""
    whole = _VARIABLE.fullmatch(part.rstrip(f"/{os.sep}"))
    return whole is not None and bool(os.environ.get(_variable_of(whole)))


def _variable_of(found: re.Match[str]) -> str:
    return found.group(1) or found.group(2) or ""


def _value(found: re.Match[str], name: str) -> str:
    if found.group() == "$$":
        if _is_number(found, found.end() - 1):
            raise MatteError(
                "bad_name",
                f"{name} has a plain $ before what makes a frame number of it.",
                "Write one $ for the frame number, three for a $ and the number, or choose another name.",
            )
        return "$"
    if _is_number(found, found.start()):
        return found.group()
    variable = _variable_of(found)
    value = os.environ.get(variable, "")
    if not value:
        how = "is empty" if variable in os.environ else "is not set"
        raise MatteError(
            "not_set",
            f"{name} names the environment variable {variable}, which {how}.",
            "Set it, or write its value, or $$ for a $ of the name.",
        )
    return value


def _is_number(found: re.Match[str], place: int) -> bool:
    """Whether a frame number such as $F4 begins at ``place``. Only a file's name can have one."""
    return found.string[-1] not in ("/", os.sep) and is_number_at(found.string, place)


def _is_there(path: Path) -> bool:
    """Whether a file, a folder, or a frame of a sequence has this name."""
    if os.path.lexists(path):
        return True
    try:
        return bool(FramePattern(str(path)).frames_on_disk())
    except (ValueError, OSError):
        return False
