"""Takes results back whose files were put there again with other times, where the bytes are equal.

Reads and writes files, on any thread, and does not import bpy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import touched
from .exr_header import restamped
from .file_states import forget, seen_file
from .matte_link.comparison import BackgroundComparison
from .matte_link.files import write_atomically
from .matte_link.seen_files import SeenTogether, files_in
from .plan import SolvePlan
from .result_files import ResultFacts, SentPictures, joined_stamp, known_facts, known_stamp

_AT_ONCE = 16
"""How many frames are read before the panel counts again."""


@dataclass(frozen=True)
class PutAgain:
    """A result of the present settings, at ``path``, that may be one of the files of now, which are ``seen``. It
    then belongs at ``target``, with ``stamp``."""

    path: Path
    target: Path
    facts: ResultFacts
    stamp: str
    seen: SeenTogether


def results_of(plan: SolvePlan, frame: int) -> list[PutAgain]:
    """What may be taken back for a frame, the likeliest first."""
    seen, stamp = plan.seen(frame), plan.stamp(frame)
    return [
        PutAgain(path=path, target=plan.result(frame), facts=known_facts(path), stamp=stamp, seen=seen)
        for path in plan.put_again(frame)
    ]


def take_back(found: Sequence[PutAgain]) -> bool:
    """Reads the files of a frame, and takes back the result that was made from files of these contents; whether
    there is one. Where it cannot be written it is not tried again for the files of now."""
    for each in found:
        if each.seen.read_contents() != each.facts.files or not _is_as_it_was(each):
            continue
        if known_stamp(each.target) == each.stamp:
            return True
        sent = SentPictures(
            content=each.facts.content,
            witness=each.seen.witness,
            sizes=each.seen.sizes,
            files=each.facts.files,
        )
        try:
            restamp(each.path, each.target, each.facts, each.stamp, sent)
        except OSError:
            touched.give_up(str(each.path), each.stamp)
            continue
        return True
    return False


def _is_as_it_was(each: PutAgain) -> bool:
    """Whether the result and the files behind it are what they were: files of many frames are read in between,
    and meanwhile a file may be written over, and its frame solved. What is another is looked at again."""
    files = list(files_in(each.seen.seen))
    for path in (str(each.path), str(each.target), *(file.path for file in files)):
        forget(path)
    return known_facts(each.path) == each.facts and all(seen_file(file.path) == file for file in files)


def restamp(path: Path, target: Path, facts: ResultFacts, stamp: str, sent: SentPictures) -> None:
    """Makes the result at ``path``, which says ``facts`` of itself, the one at ``target`` that was made from what
    was ``sent``. It has room for what it says already: what it lacks stays lacking, and what is not known any more
    becomes zeros, which equal nothing. Raises ``OSError``."""
    says = SentPictures(
        content=sent.content,
        witness=_in_place_of(facts.witness, sent.witness),
        sizes=_in_place_of(facts.sizes, sent.sizes),
        files=_in_place_of(facts.files, sent.files),
    )
    write_atomically(str(target), restamped(path.read_bytes(), joined_stamp(stamp, says)))
    forget(str(target))


def _in_place_of(old: str, new: str) -> str:
    return (new or "0" * len(old)) if old else ""


def settle(plan: SolvePlan, frame: int) -> None:
    """Reads the frame's files where they were put there again, and looks whether they are the same; where pictures
    would have to be rendered, only a solve or a comparison tells more."""
    if plan.must_be_read(frame):
        plan.seen(frame).read_contents()
    # OSError: what went meanwhile is not taken back.
    with contextlib.suppress(OSError):
        take_back(results_of(plan, frame))


class Background:
    """Has files read on a thread: a window does not wait for disks. ``changed`` is called there when there is news
    of a node."""

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._wanted: dict[str, list[list[PutAgain]]] = {}
        self._comparison = BackgroundComparison(self._read)

    def want(self, plan: SolvePlan, frames: Sequence[int]) -> None:
        """Compares the first few of a node's frames. When there is news, it is to be asked for the rest."""
        some = frames[:_AT_ONCE]
        self._wanted[plan.node_id] = [results_of(plan, frame) for frame in some]
        self._comparison.want(plan.node_id, [plan.seen(frame) for frame in some])

    def want_read(self, plan: SolvePlan, files: Sequence[SeenTogether]) -> None:
        """Has files read beside, such as those of a node's key frames."""
        self._comparison.want(f"{plan.node_id} beside", files)

    def _read(self, node_id: str) -> None:
        for found in self._wanted.pop(node_id, []):
            # OSError: what went meanwhile is not taken back.
            with contextlib.suppress(OSError):
                take_back(found)
        self._changed()
