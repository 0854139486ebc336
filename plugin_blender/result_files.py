"""Files of results, and what their headers say they were made from. Does not import bpy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .exr_header import read_result
from .file_states import KeptAnswers, forget
from .matte_link.result_key import MAKER, Maker

NAME = "matte.{:04d}.exr"
_PARTS = 5


@dataclass(frozen=True)
class ResultFacts:
    """What a result says of itself: the ``stamp`` names its inputs by what Blender knows of them, ``content`` by
    the pictures that were sent, ``witness`` what the machine saw of their files (:mod:`matte_link.file_witness`),
    ``sizes`` and ``files`` are the digests of these files' sizes and contents (:mod:`matte_link.seen_files`), and
    ``maker`` is who computed it (None: it does not say)."""

    stamp: str = ""
    content: str = ""
    witness: str = ""
    sizes: str = ""
    files: str = ""
    maker: Maker | None = None


def is_result(name: str) -> bool:
    """Whether a file name is a result's."""
    return name.startswith("matte.") and name.endswith(".exr")


def frame_of(name: str) -> int | None:
    """The frame whose result has this file name; None where it is no result's."""
    number = name[6:-4]
    found = int(number) if number.isdecimal() else None
    return found if found is not None and name == NAME.format(found) else None


def frames_of(names: Iterable[str]) -> set[int]:
    """The frames whose results are among some file names."""
    return {frame for frame in map(frame_of, names) if frame is not None}


@dataclass(frozen=True)
class SentPictures:
    """The pictures that are sent for a frame: the digest of their bytes, and what this machine saw of the files
    that they come from before it read them; the digests of these files' sizes and contents, empty where they are
    too large to be compared."""

    content: str
    witness: str
    sizes: str = ""
    files: str = ""


def joined_stamp(stamp: str, sent: SentPictures) -> str:
    """All as one text, as a result's header holds them."""
    return "-".join((stamp, sent.content, sent.witness, sent.sizes, sent.files)).rstrip("-")


def known_stamp(path: Path) -> str:
    """A result's stamp; empty where there is no result."""
    return known_facts(path).stamp


def known_facts(path: Path) -> ResultFacts:
    """What a result says of itself. The file is only opened where it has changed."""
    return _results.of(str(path))


def withdrawn_content(path: Path) -> str:
    """The content of a result that a comparison has withdrawn, whose files are zeros, which equal nothing: results
    of this content are not the frame's, though stamps and files may be. Empty where it is no such result."""
    facts = known_facts(path)
    return facts.content if facts.files and not facts.files.strip("0") else ""


def put_aside(result: Path, target: Path) -> None:
    """Moves a result into a folder below its own. Raises ``OSError``."""
    target.parent.mkdir(exist_ok=True)
    result.replace(target)
    with contextlib.suppress(FileNotFoundError):
        if result.samefile(target):
            # Two links to one file, as copies of nodes have them: renaming one to the other does nothing.
            result.unlink()
    forget(str(result))
    forget(str(target))


def _facts(path: str) -> ResultFacts:
    text, diagnostics = read_result(path)
    maker = Maker.from_dict(diagnostics.get(MAKER))
    # Those of older versions have fewer parts.
    stamp, content, witness, sizes, files = (text.split("-") + [""] * _PARTS)[:_PARTS]
    return ResultFacts(stamp=stamp, content=content, witness=witness, sizes=sizes, files=files, maker=maker)


_results = KeptAnswers(_facts, ResultFacts())
