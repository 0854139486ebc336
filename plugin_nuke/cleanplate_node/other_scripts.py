"""Which results other scripts show: nothing is deleted that one of them may render from. No nuke here.

Scripts that lie beside the asking one, or beside the folder of results, are found there. Those elsewhere are noted
in the node's folder when they are open: one small file for each, so that two Nukes never write the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from pathlib import Path

from matte_link.files import write_atomically
from matte_link.result_key import digest

_SUFFIXES = (".nk", ".nk~", ".nknc", ".nkple", ".autosave", ".hrox", ".gizmo", ".nkind")
_SHOWN_BY = "shown_by."
_TELLING = 3
"""As many parts at the end of a path tell scripts of two systems apart, whose paths begin otherwise."""


def note(node_folder: str, script: str) -> None:
    """Notes that a script shows results in a node's folder. Where that cannot be written, nothing is noted.

    Looks at the disk each time: another Nuke may have deleted the note with the results, which are made anew since.
    """
    file = Path(node_folder, f"{_SHOWN_BY}{digest(script)}.txt")
    if not file.exists() and file.parent.is_dir():
        with contextlib.suppress(OSError):
            write_atomically(str(file), script.encode())


def users_of(node_folder: str, keys: Collection[str], script: str) -> dict[str, tuple[str, ...]]:
    """For each settings key whose results another script than ``script`` names, the names of those scripts. Looks
    beside ``script``, beside the folder that the folders of nodes are in, and at those that were noted. A script
    that cannot be read may show all of them.

    Looks at text, so a script counts whatever its nodes are called, and for versions and backups alike.
    """
    own, folder = Path(script), Path(node_folder)
    found: dict[str, list[str]] = {}
    for path in _others(own, [*_beside(own, folder.parent), *map(Path, _notes(folder).values())]):
        name = path.name if path.parent.resolve() == own.parent.resolve() else path.as_posix()
        for key in _named(path, folder.name, keys):
            found.setdefault(key, []).append(name)
    return {key: tuple(names) for key, names in found.items()}


def forget(node_folder: str, script: str) -> None:
    """``script`` has deleted what nobody else shows of a node's results: deletes the notes of scripts that are
    gone, and where no result is left its own, those of scripts that do not name the folder, and the folder itself.

    Where results are left, its own note is, too: they may be those of a copied node in it, or of what it was when
    it was saved last.
    """
    folder = Path(node_folder)
    has_results = any(path.is_dir() for path in folder.glob("*"))
    for file, noted in _notes(folder).items():
        path = Path(noted)
        if _is_gone(path) or (not has_results and (noted == script or not _named(path, folder.name, ("",)))):
            with contextlib.suppress(OSError):
                file.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _notes(folder: Path) -> dict[Path, str]:
    """The scripts that were noted, each by its note."""
    found = {}
    for file in sorted(folder.glob(f"{_SHOWN_BY}*.txt")):
        with contextlib.suppress(OSError):
            found[file] = file.read_text(encoding="utf-8", errors="replace")
    return found


def _beside(*paths: Path) -> list[Path]:
    folders = {path.parent.resolve() for path in paths if path.parent.is_dir()}
    files = [path for folder in folders for path in folder.iterdir() if path.name.endswith(_SUFFIXES)]
    return sorted(path for path in files if path.is_file())


def _others(own: Path, paths: Iterable[Path]) -> list[Path]:
    """Those that are another file than ``own``, each once: one file may have several names, such as one with a
    drive's letter and one with a server's."""
    found: list[Path] = []
    for path in paths:
        if not _is_gone(path) and not any(_is_same(path, one) for one in (own, *found)):
            found.append(path)
    return found


def _is_same(one: Path, other: Path) -> bool:
    """Where one of them cannot be seen from here, as a drive of another system, the end of its path counts."""
    try:
        return one.samefile(other)
    except OSError:
        return one.parts[-_TELLING:] == other.parts[-_TELLING:]


def _is_gone(path: Path) -> bool:
    """Whether there is no such script. Where its folder cannot be seen either, it may be there for others."""
    return path.parent.is_dir() and not path.exists()


def _named(path: Path, node_id: str, keys: Collection[str]) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return list(keys)
    return [key for key in keys if f"{node_id}/{key}" in text]
