"""The plate solve of a shot: how the clean plate lies on each frame, measured once and the same for every part.

A frame's alignment depends on the shot's own pictures alone. Frames spread over the whole shot decide whether the
camera is locked; every frame is then compared with the one alignment, at a glance, and has its own where that does
not fit. With a moving camera a frame that was measured well stands by itself; its nearest neighbours help where it
was not. So two machines with two halves of a shot come to the same solve without talking to each other.

The file beside the output saves measuring again: an estimate in it is used if its key says that plate, clean plate,
options and version are the same. While those of the sampled frames are, the same frames decide about the camera.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matte_link.result_key import FrameSources, Maker, result_key
from matte_link.sequence import evenly_spaced

from ..core.align import Alignment, align, align_near, is_measured
from ..core.expected_frame import ExpectedFrame, FrameGlance, SmallPlate
from ..core.image import Image
from ..core.placement import CleanPlateDetails, with_exposure
from ..core.shot_solve import (
    Expectation,
    apart_px,
    best_supported,
    expected_between,
    is_same_light,
    is_same_place,
    is_sure,
    locked_alignment,
    neighbours,
    same_exposure,
)
from ..core.window import Window
from ..errors import MatteError
from .compute_once import ComputeOnce
from .given_solve import GivenSolve
from .inputs import ShotInputs
from .shot import SAMPLES, Shot, ShotFrame, smoothed_with
from .solve_file import CameraSolve, FrameEstimate, read_estimates, read_samples, update_solve_file
from .solve_summary import describe

OnSample = Callable[[int, int, int], None]
"""Called as frames are measured to find out about the camera, but not for those that an earlier run measured: a
frame's number, how many are done, of how many."""
_LEAST_UNSAVED, _UNSAVED_PART = 16, 4
"""The file is saved when it lacks at least this many frames, and at least one in this many of those used."""
_SAMPLERS = 2
"""Threads that measure the samples; each holds a plate and a clean plate."""

# No distances in these: a warning that many frames share is printed once.
ELSEWHERE = (
    "The frame's details lie elsewhere than a locked camera would show them; the camera is kept locked, as "
    "--camera says."
)
UNCHECKED = (
    "Too little of the clean plate is found again in this frame to tell whether the camera is locked, as --camera "
    "says: look whether the set beside the subject is transparent."
)


@dataclass(frozen=True, eq=False)
class _Sample:
    """What is kept of a sampled frame's plate, so that it need not be read again to be compared with the camera's
    one alignment."""

    plate: SmallPlate
    colourspace: str


class PlateSolve:
    """The alignments of a shot's frames; several threads may call it. ``version`` is the server's, which is part of
    what an estimate depends on. ``on_sample`` is called in threads of the solve's own.

    Raises ``MatteError`` with the codes bad_solve, no_solve and those of reading pictures, and ``OSError``.
    """

    def __init__(
        self,
        shot: Shot,
        pictures: ShotInputs,
        version: str,
        on_sample: OnSample = lambda frame, done, total: None,
    ) -> None:
        self._shot = shot
        self._on_sample = on_sample
        self._pictures = pictures
        self._maker = Maker(version=version, model="")
        self._frames: dict[int, ShotFrame] = {frame.frame: frame for frame in shot.all_frames}
        self._numbers = tuple(sorted(self._frames))
        self._given = _given_solve(shot)
        self._earlier = {} if self._given else read_estimates(shot.solve_file)
        self._estimates: ComputeOnce[int, FrameEstimate] = ComputeOnce()
        self._camera: ComputeOnce[str, CameraSolve] = ComputeOnce()
        # With smoothing in time each frame's alignment is needed three times.
        self._alignments: ComputeOnce[int, Alignment] = ComputeOnce()
        self._last_clean: dict[str, CleanPlateDetails] = {}
        self._samples: dict[int, _Sample] = {}
        self._kept_samples: frozenset[int] = frozenset()
        self._last_expected: tuple[CleanPlateDetails, Window, ExpectedFrame] | None = None
        self._used: dict[int, Alignment] = {}
        self._unsaved = 0
        self._lock = threading.Lock()

    @property
    def applies(self) -> bool:
        """Whether there is a solve: one was given, or the shot has several frames that can be solved together."""
        return self._given is not None or len(self._numbers) > 1

    def alignment(self, frame: ShotFrame) -> Alignment:
        """How the clean plate lies on this frame's plate. Saves the file now and then."""
        if self._given is not None:
            return self._given.alignment(frame.frame)
        found = self._solved(frame)
        with self._lock:
            self._used[frame.frame] = found
            self._unsaved += 1
            # Each save writes all frames, so it gets rarer as they get more: its cost per frame stays the same.
            is_due = self._unsaved >= max(_LEAST_UNSAVED, len(self._used) // _UNSAVED_PART)
        if is_due:
            self.save()
        return found

    def alignment_of_neighbour(self, frame: ShotFrame) -> Alignment:
        """The same for a frame that is not made now, but sent along as a neighbour of one that is."""
        return self._given.alignment(frame.frame) if self._given is not None else self._solved(frame)

    def _solved(self, frame: ShotFrame) -> Alignment:
        return self._alignments.get(frame.frame, lambda: self._solve(frame))

    def _solve(self, frame: ShotFrame) -> Alignment:
        if frame.frame not in self._frames:
            return self._estimate(frame).alignment
        if self._shot.camera.kind != "moving":
            camera = self._camera.get("", self._solve_camera)
            if camera.locked is not None:
                return self._on_locked_camera(frame, camera.locked, camera.one_exposure)
        own = self._estimate(frame)
        if is_sure(own.alignment):
            return own.alignment
        around = {number: self._estimate_or_none(number) for number in neighbours(frame.frame, self._numbers)}
        readable = {number: found.alignment for number, found in around.items() if found is not None}
        expected = expected_between(frame.frame, readable, own.clean_window)
        return own.alignment if expected is None else self._helped(frame, own.alignment, expected)

    def _helped(self, frame: ShotFrame, own: Alignment, expected: Expectation) -> Alignment:
        """The better of a frame's own estimate and of one that starts where others suggest."""
        plate, clean = self._pair(frame)
        found = align_near(plate, clean.image, expected.transform, self._shot.options.align, clean.features)
        chosen = best_supported(own, found, expected)
        return self._with_exposure(chosen, plate, clean) if chosen is not own else own

    def _with_exposure(self, alignment: Alignment, plate: Image, clean: CleanPlateDetails) -> Alignment:
        if not self._shot.options.match_exposure:
            return alignment
        return with_exposure(alignment, plate, clean.image, clean.copies)

    def _on_locked_camera(self, frame: ShotFrame, locked: Alignment, one_exposure: bool) -> Alignment:
        """The shot's one alignment with this frame's own figures; where that does not fit the frame (the camera was
        knocked), the frame's own alignment. Likewise its gain, where the exposure is another."""
        small, clean, plate = self._at_a_glance(frame)
        glance = self._expected(clean, locked, small.window).compare(small)
        found, sees_light = locked, True
        if self._shot.options.align != "none":
            found, sees_light = self._placed_on_locked_camera(frame, locked, glance), glance.sees_place
        is_lit_alike = one_exposure and (glance.confirms_exposure or not sees_light)
        if found.transform is not locked.transform or is_lit_alike:
            return found
        lit = self._with_exposure(found, plate or self._pair(frame)[0], clean)
        return found if one_exposure and is_same_light(lit, found) else lit

    def _at_a_glance(self, frame: ShotFrame) -> tuple[SmallPlate, CleanPlateDetails, Image | None]:
        """A frame's small plate, its clean plate, and the plate itself if it had to be read."""
        with self._lock:
            sample = self._samples.pop(frame.frame, None)
        if sample is not None:
            key = self._clean_key(frame, sample.colourspace)
            with self._lock:
                kept = self._last_clean.get(key)
            if kept is not None:
                return sample.plate, kept, None
        plate, clean = self._pair(frame)
        return SmallPlate.of(plate), clean, plate

    def _placed_on_locked_camera(self, frame: ShotFrame, locked: Alignment, glance: FrameGlance) -> Alignment:
        kept = _with_figures_of(glance, locked)
        if glance.sees_place and glance.is_near:
            return kept
        if self._shot.camera.kind == "locked":
            return replace(kept, warnings=(*kept.warnings, *self._doubts(frame, locked, glance)))
        own = self._estimate(frame)
        if not glance.sees_place and is_same_place(own.alignment, locked, own.clean_window):
            return kept
        if is_sure(own.alignment):
            # It sees more than a glance: where it differs from the lock by no more than a drift may, nothing moved.
            is_still = apart_px(own.alignment, locked, own.clean_window) <= glance.most_drift_px
            return _with_figures_of(own.alignment, locked) if is_still else own.alignment
        if not glance.sees_place:
            return kept
        expected = Expectation(transform=locked.transform, source="the locked camera")
        return self._helped(frame, own.alignment, expected)

    def _doubts(self, frame: ShotFrame, locked: Alignment, glance: FrameGlance) -> tuple[str, ...]:
        """What this frame says against a camera that the artist calls locked. Nothing is changed by it."""
        if glance.hints_at_place:
            return (ELSEWHERE,) if glance.is_mostly_elsewhere else ()
        own = self._estimate(frame)
        if not is_sure(own.alignment):
            return (UNCHECKED,)
        return () if is_same_place(own.alignment, locked, own.clean_window) else (ELSEWHERE,)

    def _expected(self, clean: CleanPlateDetails, locked: Alignment, window: Window) -> ExpectedFrame:
        """What the frames of a locked camera show, made once for a clean plate and a plate's window."""
        with self._lock:
            if self._last_expected is None or self._last_expected[:2] != (clean, window):
                self._last_expected = (clean, window, ExpectedFrame(clean.image, locked, window))
            return self._last_expected[2]

    def _solve_camera(self) -> CameraSolve:
        """Measures frames spread over the shot, each by itself, and compares them."""
        sampled = self._sampled()
        self._kept_samples = frozenset(sampled) & {frame.frame for frame in self._shot.frames}

        def measured_at(place: int) -> FrameEstimate | None:
            if not self._is_unchanged(sampled[place]):
                self._on_sample(sampled[place], place, len(sampled))
            return self._estimate_or_none(sampled[place])

        # Threads of its own: no frame is sent before the camera is known.
        with ThreadPoolExecutor(_SAMPLERS, "sampler") as pool:
            pairs = zip(sampled, pool.map(measured_at, range(len(sampled))), strict=True)
            measured = {number: estimate for number, estimate in pairs if estimate is not None}
        self._kept_samples = frozenset()
        alignments = [estimate.alignment for estimate in measured.values()]
        windows = {estimate.clean_window for estimate in measured.values()}
        # Without alignment there is nothing in which the frames could differ.
        known_locked = self._shot.camera.kind == "locked" or self._shot.options.align == "none"
        locked = locked_alignment(alignments, windows.pop(), known_locked) if len(windows) == 1 else None
        if locked is None:
            self._samples.clear()
        return CameraSolve(
            locked=locked,
            one_exposure=bool(alignments) and same_exposure(alignments),
            sampled=tuple(measured),
            measured=sum(is_measured(alignment) for alignment in alignments),
        )

    def _sampled(self) -> tuple[int, ...]:
        """The frames that decide about the camera: those of an earlier run, where they are unchanged and enough to
        tell. So a frame that comes late, into a hole or at the end, does not change the results of the others."""
        earlier = read_samples(self._shot.solve_file)
        if len(earlier) <= min(SAMPLES, len(self._numbers)) // 2:
            return evenly_spaced(self._numbers, SAMPLES)
        return earlier if all(map(self._is_unchanged, earlier)) else evenly_spaced(self._numbers, SAMPLES)

    def _is_unchanged(self, number: int) -> bool:
        """Whether an earlier run's estimate of a frame still holds."""
        estimate = self._earlier.get(number)
        return estimate is not None and number in self._frames and estimate.key == self._key(self._frames[number])

    # -- one frame

    def _estimate_or_none(self, number: int) -> FrameEstimate | None:
        """The estimate of a neighbour or sample; None where its pictures cannot be read: that frame's own
        report says so."""
        try:
            return self._estimate(self._frames[number])
        except (MatteError, OSError):
            return None

    def _estimate(self, frame: ShotFrame) -> FrameEstimate:
        return self._estimates.get(frame.frame, lambda: self._measure(frame))

    def _measure(self, frame: ShotFrame) -> FrameEstimate:
        key = self._key(frame)
        earlier = self._earlier.get(frame.frame)
        if earlier is not None and earlier.key == key:
            return earlier
        options = self._shot.options
        plate, clean = self._pair(frame)
        found = align(plate, clean.image, options.align, clean.features)
        found = self._with_exposure(found, plate, clean)
        if frame.frame in self._kept_samples and plate.data_window.area:
            sample = _Sample(plate=SmallPlate.of(plate), colourspace=plate.colourspace)
            with self._lock:
                self._samples[frame.frame] = sample
        return FrameEstimate(alignment=found, clean_window=clean.image.data_window, key=key)

    def _pair(self, frame: ShotFrame) -> tuple[Image, CleanPlateDetails]:
        """A frame's pictures with NaN and infinity replaced: the server refuses them, here they are ignored."""
        plate, read_clean = self._pictures.pair(frame)
        key = self._clean_key(frame, plate.colourspace)
        with self._lock:
            clean = self._last_clean.get(key)
        if clean is None:
            image = _finite(read_clean())
            clean = CleanPlateDetails.of(image)
            with self._lock:
                # Of a clean plate sequence only the last picture is kept.
                clean = self._last_clean.get(key, clean)
                self._last_clean = {key: clean}
        return _finite(plate), clean

    def _clean_key(self, frame: ShotFrame, plate_colourspace: str) -> str:
        """Names a clean plate as it is read for a plate in a colourspace."""
        return self._pictures.digest(frame, "clean_plate") + plate_colourspace

    def _key(self, frame: ShotFrame) -> str:
        digests = {role: self._pictures.digest(frame, role) for role in ("plate", "clean_plate")}
        sources = FrameSources(pictures={**digests, **self._pictures.colour_source})
        return result_key(sources, self._shot.options, maker=self._maker, stage="alignment")

    # -- the file, and a sentence for people

    def save(self) -> None:
        """Writes what was measured beside the output, and keeps what other runs have written there. A given solve
        is not changed. Raises ``OSError``."""
        path = self._shot.solve_file
        if self._given is not None or path is None:
            return
        with self._lock:
            self._unsaved = 0
            used = dict(self._used)
        camera, estimates = self._known_camera(), self._estimates.finished()
        if camera is None and self._shot.camera.kind == "moving":
            camera = CameraSolve.said_to_move(read_samples(path))
        if used or estimates:
            update_solve_file(path, camera, estimates, used)

    def _known_camera(self) -> CameraSolve | None:
        return self._camera.finished().get("")

    def summary(self) -> str:
        """What was solved, for the artist; empty where nothing was."""
        if self._given is not None:
            return f"The plate solve is the one in {self._given.path}."
        if not self._used:
            return ""
        path = self._shot.solve_file
        # Nothing is saved where a folder has its name.
        saved = f" The plate solve is saved in {path}." if path and path.is_file() else ""
        return describe(self._known_camera(), self._used, self._seems_still()) + saved

    def finds_clean_plate(self) -> bool:
        """Whether most of the frames that were compared with the clean plate surely show what it shows."""
        estimates = self._estimates.finished().values()
        return 2 * sum(is_sure(estimate.alignment) for estimate in estimates) > len(estimates)

    def _seems_still(self) -> bool:
        """Whether the frames of a camera that the artist calls moving lie alike."""
        windows = {estimate.clean_window for estimate in self._estimates.finished().values()}
        if self._shot.camera.kind != "moving" or len(windows) != 1:
            return False
        return locked_alignment(list(self._used.values()), windows.pop()) is not None


def _with_figures_of(measured: Alignment | FrameGlance, locked: Alignment) -> Alignment:
    """The lock, with how well a frame's own measurement fits."""
    return replace(locked, inliers=measured.inliers, residual_px=measured.residual_px, points=measured.points)


def solve_inputs(shot: Shot) -> set[Path]:
    """The plates and clean plates from which the alignments are measured that the wanted frames need (with
    smoothing in time, those of their neighbours, too): their own, those of the frames beside them, and of the
    frames sampled from the whole shot. None where the solve was given."""
    if shot.camera.solve:
        return set()
    frames = {frame.frame: frame for frame in (*shot.all_frames, *shot.frames)}
    numbers = tuple(sorted(frame.frame for frame in shot.all_frames))
    solved = {frame.frame for frame in (*shot.frames, *smoothed_with(shot))}
    beside = {near for number in solved & set(numbers) for near in neighbours(number, numbers)}
    measured = solved | beside | set(evenly_spaced(numbers, SAMPLES))
    files = {path for number in measured for path in (frames[number].plate, frames[number].clean_plate)}
    return {path for path in files if path.is_file()}


def _given_solve(shot: Shot) -> GivenSolve | None:
    """Also for frames that are not wanted now: learning looks at those beside the key mattes, too."""
    if not shot.camera.solve:
        return None
    return GivenSolve(Path(shot.camera.solve), {frame.frame for frame in (*shot.all_frames, *shot.frames)})


def _finite(image: Image) -> Image:
    if np.isfinite(image.pixels).all():
        return image
    return replace(image, pixels=np.nan_to_num(image.pixels, nan=0.0, posinf=0.0, neginf=0.0))
