"""The plate solve of a shot on the client's side: measured once, kept beside the output, the same for every part.

What a frame gets depends on the shot's own pictures alone: whether the camera is locked is decided by frames
spread over the whole shot, and a moving frame's alignment by its own estimate and its nearest neighbours'. So two
machines with two halves of a shot come to the same solve without speaking to each other. The file saves
measuring again: an estimate in it is used where plate, clean plate and settings are still the same by content.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matte_link.files import write_atomically
from matte_link.result_key import FrameSources, Maker, result_key

from ..core.align import Alignment, AlignmentFeatures, align
from ..core.image import Image
from ..core.placement import as_facts, from_facts, with_exposure
from ..core.shot_solve import REPAIRED, believed, is_evidence, locked_alignment, neighbours, same_exposure
from ..core.window import Window
from ..errors import MatteError
from .inputs import ShotInputs
from .shot import Shot, ShotFrame

FORMAT = "cleanplate plate solve"
FORMAT_VERSION = 1
SAMPLES = 7
_SAVED_EVERY, _SAVED_PART = 16, 4
"""Frames after which the file is saved: at least so many, and so large a part of those that are done."""
_SAMPLERS = 2
"""Threads that measure the samples; each holds a plate and a clean plate."""


@dataclass(frozen=True, eq=False)
class _Estimate:
    """One frame measured by itself; ``window`` is the clean plate's data window."""

    alignment: Alignment
    window: Window
    key: str


@dataclass(frozen=True, eq=False)
class _Clean:
    """A clean plate in which every value is finite, and what alignment sees in it."""

    image: Image
    details: AlignmentFeatures


@dataclass(frozen=True, eq=False)
class _Verdict:
    """What the whole shot's samples say; ``locked`` is None where the camera moves."""

    locked: Alignment | None
    one_exposure: bool
    frames: tuple[int, ...]


class PlateSolve:
    """Alignments of a shot's frames; may be asked by several threads. ``solver`` names the version that measured.

    Raises ``MatteError`` with the codes bad_solve, no_solve and those of reading pictures, and ``OSError``.
    """

    def __init__(self, shot: Shot, pictures: ShotInputs, solver: str) -> None:
        self._shot = shot
        self._pictures = pictures
        self._solver = solver
        self._frames: dict[int, ShotFrame] = {frame.frame: frame for frame in shot.all_frames}
        self._order = tuple(sorted(self._frames))
        self._given = _read_given(Path(shot.camera.solve)) if shot.camera.solve else None
        self._known = {} if self._given else _read_known(shot.solve_file)
        self._measured: dict[int, Future[_Estimate]] = {}
        self._verdict: Future[_Verdict] | None = None
        self._cleans: dict[str, _Clean] = {}
        self._used: dict[int, Alignment] = {}
        self._unsaved = 0
        self._lock = threading.Lock()

    @property
    def applies(self) -> bool:
        """Whether the shot is solved as a whole: it is one, or a solve was given."""
        return self._given is not None or len(self._order) > 1

    def alignment(self, frame: ShotFrame) -> Alignment:
        """How the clean plate lies on this frame's plate."""
        if self._given is not None:
            return self._from_given(self._given, frame.frame)
        found = self._solved(frame)
        with self._lock:
            self._used[frame.frame] = found
            self._unsaved += 1
            # A save writes every frame: ever rarer, it stays the same small part of a frame's cost.
            full = self._unsaved >= max(_SAVED_EVERY, len(self._used) // _SAVED_PART)
        if full:
            self.save()
        return found

    def seen_from_beside(self, frame: ShotFrame) -> Alignment:
        """The same for a frame that is only looked at, as a neighbour of one that is made."""
        return self._from_given(self._given, frame.frame) if self._given is not None else self._solved(frame)

    def _solved(self, frame: ShotFrame) -> Alignment:
        if frame.frame not in self._frames:
            return self._estimate(frame).alignment
        verdict = self._shot_verdict() if self._shot.camera.kind != "moving" else None
        if verdict is not None and verdict.locked is not None:
            if verdict.one_exposure or not self._shot.options.match_exposure:
                return verdict.locked
            return self._exposed(frame, verdict.locked)
        own = self._estimate(frame)
        around = {number: self._attempt(number) for number in neighbours(frame.frame, self._order)}
        seen = {number: found.alignment for number, found in around.items() if found is not None}
        return believed(frame.frame, own.alignment, seen, own.window)

    # -- the whole shot

    def _shot_verdict(self) -> _Verdict:
        with self._lock:
            mine = self._verdict is None
            if self._verdict is None:
                self._verdict = Future()
            verdict = self._verdict
        if mine:
            try:
                verdict.set_result(self._judge())
            except BaseException as error:
                verdict.set_exception(error)
                raise
        return verdict.result()

    def _judge(self) -> _Verdict:
        """Frames spread over the shot, measured each by itself: do they say the same?"""
        sampled = _spread(self._order, SAMPLES)
        # No frame goes to the server before this is known.
        with ThreadPoolExecutor(_SAMPLERS, "sampler") as pool:
            pairs = zip(sampled, pool.map(self._attempt, sampled), strict=True)
            measured = {number: one for number, one in pairs if one is not None}
        found = [estimate.alignment for estimate in measured.values()]
        windows = {estimate.window for estimate in measured.values()}
        # Where nothing is to be aligned there is nothing that could differ.
        said = self._shot.camera.kind == "locked" or self._shot.options.align == "none"
        locked = locked_alignment(found, windows.pop(), said) if len(windows) == 1 else None
        return _Verdict(locked, bool(found) and same_exposure(found), tuple(measured))

    def _exposed(self, frame: ShotFrame, locked: Alignment) -> Alignment:
        """A locked camera whose exposure changes: the shot's transform, this frame's gain."""
        plate, clean = self._pair(frame)
        return with_exposure(locked, plate, clean.image)

    # -- one frame

    def _attempt(self, number: int) -> _Estimate | None:
        """A neighbour's or sample's estimate; None where its pictures cannot be read: that frame reports it."""
        try:
            return self._estimate(self._frames[number])
        except (MatteError, OSError):
            return None

    def _estimate(self, frame: ShotFrame) -> _Estimate:
        """Measured once in this run, whoever asks first."""
        with self._lock:
            future = self._measured.get(frame.frame)
            mine = future is None
            if future is None:
                future = self._measured[frame.frame] = Future()
        if mine:
            try:
                future.set_result(self._measure(frame))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def _measure(self, frame: ShotFrame) -> _Estimate:
        key = self._key(frame)
        known = self._known.get(frame.frame)
        if known is not None and known.key == key:
            return known
        options = self._shot.options
        plate, clean = self._pair(frame)
        found = align(plate, clean.image, options.align, clean.details)
        if options.match_exposure:
            found = with_exposure(found, plate, clean.image)
        return _Estimate(found, clean.image.data_window, key)

    def _pair(self, frame: ShotFrame) -> tuple[Image, _Clean]:
        """NaN and infinity are the server's to refuse; here they are only not looked at."""
        plate, read_clean = self._pictures.pair(frame)
        digest = self._pictures.digest(frame, "clean_plate") + plate.colourspace
        with self._lock:
            clean = self._cleans.get(digest)
        if clean is None:
            image = _finite(read_clean())
            clean = _Clean(image, AlignmentFeatures(image))
            with self._lock:
                # Of a clean plate sequence only the last one is kept.
                clean = self._cleans.get(digest, clean)
                self._cleans = {digest: clean}
        return _finite(plate), clean

    def _key(self, frame: ShotFrame) -> str:
        digests = {role: self._pictures.digest(frame, role) for role in ("plate", "clean_plate")}
        solver = Maker(self._solver, "")
        return result_key(FrameSources(digests), self._shot.options, maker=solver, stage="alignment")

    # -- files

    def _from_given(self, given: Mapping[str, Any], frame: int) -> Alignment:
        entry = given["frames"].get(str(frame), {}).get("alignment") or given.get("locked")
        if entry is None:
            raise MatteError(
                "no_solve",
                f"{self._shot.camera.solve} has no alignment for frame {frame}.",
                "Solve it with the others, or leave the frame out with --frames.",
            )
        return _alignment_of(entry, Path(self._shot.camera.solve))

    def save(self) -> None:
        """Writes what was measured beside the output, with what others wrote there meanwhile. A solve that was
        given stays as it is. Raises ``OSError``."""
        path = self._shot.solve_file
        if self._given is not None or path is None:
            return
        with self._lock:
            self._unsaved = 0
            facts = self._as_json(_read_entries(path))
        write_atomically(str(path), _laid_out(facts).encode())

    def _as_json(self, frames: dict[str, Any]) -> dict[str, Any]:
        verdict = self._verdict.result() if self._verdict and self._verdict.done() else None
        for number, future in self._measured.items():
            if future.done() and future.exception() is None:
                estimate = future.result()
                window = estimate.window
                entry = frames.setdefault(str(number), {})
                if entry.get("key") != estimate.key:
                    entry.clear()
                entry["key"] = estimate.key
                entry["clean_window"] = [window.x, window.y, window.width, window.height]
                entry["estimate"] = facts_of(estimate.alignment)
        for number, used in self._used.items():
            frames.setdefault(str(number), {})["alignment"] = facts_of(used)
        locked = verdict.locked if verdict else None
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "camera": "moving" if locked is None else "locked",
            "one_exposure": bool(verdict and verdict.one_exposure),
            "sampled": list(verdict.frames) if verdict else [],
            "locked": facts_of(locked) if locked is not None else None,
            "frames": frames,
        }

    def summary(self) -> str:
        """One sentence for the artist; empty where nothing was solved."""
        if self._given is not None:
            return f"The plate solve is the one in {self._shot.camera.solve}."
        if not self._used:
            return ""
        verdict = self._verdict.result() if self._verdict and self._verdict.done() else None
        kept = f" It lies in {self._shot.solve_file}." if self._shot.solve_file else ""
        if verdict is not None and verdict.locked is not None:
            exposure = "gain" if verdict.one_exposure else "but a gain for each frame, as the exposure changes"
            joint = "and " if verdict.one_exposure else ""
            return f"The camera is locked: one transform {joint}{exposure} for the whole shot.{kept}"
        repaired = sum(any(REPAIRED in warning for warning in used.warnings) for used in self._used.values())
        weak = sum(not is_evidence(used) for used in self._used.values())
        words = f"{repaired} taken from their neighbours, {weak} without evidence"
        return f"The camera moves: every frame has its own transform ({words}).{kept}"


def _finite(image: Image) -> Image:
    if np.isfinite(image.pixels).all():
        return image
    return replace(image, pixels=np.nan_to_num(image.pixels, nan=0.0, posinf=0.0, neginf=0.0))


def _laid_out(facts: Mapping[str, Any]) -> str:
    """JSON with one line for each frame, so that people and version control can read it."""
    frames = {number: json.dumps(entry, sort_keys=True) for number, entry in facts["frames"].items()}
    lines = ",\n".join(f'  "{number}": {frames[number]}' for number in sorted(frames, key=int))
    top = [f' "{name}": {json.dumps(value)}' for name, value in facts.items() if name != "frames"]
    return "{\n" + ",\n".join(top) + ',\n "frames": {\n' + lines + "\n }\n}\n"


def _spread(frames: Sequence[int], count: int) -> tuple[int, ...]:
    """Some frames, evenly, with the first and the last."""
    if len(frames) <= count:
        return tuple(frames)
    return tuple(frames[round(index * (len(frames) - 1) / (count - 1))] for index in range(count))


def facts_of(alignment: Alignment) -> dict[str, object]:
    """An alignment as the file and a frame's request hold it."""
    return {**as_facts(alignment), "warnings": list(alignment.warnings)}


def _alignment_of(entry: Any, path: Path) -> Alignment:
    try:
        if not isinstance(entry, dict):
            raise ValueError("an alignment is a JSON object.")
        return from_facts(entry)
    except ValueError as error:
        raise MatteError("bad_solve", f"{path} cannot be used: {error}", "Correct it, or solve again.") from None


def check_solve(path: Path) -> None:
    """Raises ``MatteError("bad_solve", ...)`` where the file is no plate solve."""
    _read_given(path)


def _read_given(path: Path) -> Mapping[str, Any]:
    """A solve that the artist named: it must be whole."""
    hint = "Name a file that a shot left beside its output."
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MatteError("bad_solve", f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise MatteError("bad_solve", f"{path} is not JSON.", hint) from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or not isinstance(facts.get("frames"), dict):
        raise MatteError("bad_solve", f"{path} is not a plate solve.", hint)
    if facts.get("version") != FORMAT_VERSION:
        raise MatteError("bad_solve", f"{path} is a plate solve of version {facts.get('version')!r:.20}.", hint)
    for number, entry in facts["frames"].items():
        if not isinstance(entry, dict):
            raise MatteError("bad_solve", f"Frame {number} in {path} is no JSON object.", hint)
        # Frames that were only looked at have an estimate and no alignment.
        if "alignment" in entry:
            _alignment_of(entry["alignment"], path)
    if facts.get("locked") is not None:
        _alignment_of(facts["locked"], path)
    return facts


def _read_entries(path: Path | None) -> dict[str, Any]:
    """The frames' entries of an earlier run; none where there is no such file, or it is not one of ours."""
    if path is None or not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = facts.get("frames") if isinstance(facts, dict) and facts.get("format") == FORMAT else None
    if not isinstance(entries, dict):
        return {}
    return {number: entry for number, entry in entries.items() if isinstance(entry, dict) and _is_number(number)}


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _read_known(path: Path | None) -> dict[int, _Estimate]:
    """What an earlier run measured; damaged entries are measured again."""
    known = {}
    for number, entry in _read_entries(path).items():
        try:
            window = Window(*entry["clean_window"])
            known[int(number)] = _Estimate(from_facts(entry["estimate"]), window, str(entry["key"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return known
