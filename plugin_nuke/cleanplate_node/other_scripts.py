"""Which results other scripts show: nothing is deleted that one of them may render from. No nuke here."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_SUFFIXES = (".nk", ".nk~", ".nknc", ".nkple", ".autosave", ".hrox", ".gizmo", ".nkind")


def users_of(node_id: str, keys: Collection[str], *near: str) -> dict[str, tuple[str, ...]]:
    """For each settings key whose results another script names, the names of those scripts. Looks beside each of
    the paths ``near``, of which the first is the script that asks. A script that cannot be read may show
    all of them.

    Looks at text, so a script counts whatever its nodes are called, and for versions and backups alike.
    """
    found: dict[str, list[str]] = {}
    for path in _beside(*map(Path, near)):
        try:
            text = path.read_bytes().decode("utf-8", "replace")
        except OSError:
            named = list(keys)
        else:
            named = [key for key in keys if f"{node_id}/{key}" in text]
        for key in named:
            found.setdefault(key, []).append(path.name)
    return {key: tuple(names) for key, names in found.items()}


def _beside(script: Path, *more: Path) -> list[Path]:
    folders = {path.parent.resolve() for path in (script, *more) if path.parent.is_dir()}
    files = {path for folder in folders for path in folder.iterdir() if path.name.endswith(_SUFFIXES)}
    return sorted(path for path in files - {script.resolve()} if path.is_file())
