"""Which results other scripts show: nothing is deleted that one of them may render from. No nuke here."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_SUFFIXES = (".nk", ".nk~", ".nknc", ".nkple", ".autosave", ".hrox", ".gizmo", ".nkind")


def users_of(node_id: str, keys: Collection[str], script: str) -> dict[str, tuple[str, ...]]:
    """For each settings key whose results another script in the folder of ``script`` names, the names of those
    scripts. A script that cannot be read may show all of them.

    Looks at text, so a script counts whatever its nodes are called, and for versions and backups alike.
    """
    found: dict[str, list[str]] = {}
    for path in _beside(Path(script)):
        try:
            text = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            named = list(keys)
        else:
            named = [key for key in keys if f"{node_id}/{key}" in text]
        for key in named:
            found.setdefault(key, []).append(path.name)
    return {key: tuple(names) for key, names in found.items()}


def _beside(script: Path) -> list[Path]:
    own = script.resolve()
    files = (path for path in script.parent.iterdir() if path.name.endswith(_SUFFIXES) and path.is_file())
    return sorted(path for path in files if path.resolve() != own)
