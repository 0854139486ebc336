"""Aligns the clean plate with the plate, measures how well, and warns where it cannot.

SIFT features (Lowe 2004) matched both ways and fitted with MAGSAC++ (Barath et al. 2020) find the clean plate
at a working size; points tracked from the warped clean plate into the plate (Lucas-Kanade, forwards and
backwards) then refine the fit to a fraction of a pixel at full size. Where too few can be tracked, as in grainy
pictures whose set is mostly hidden, the features' own places are the measurement. Points on the subject drop out,
because what the subject covers does not look like the clean plate there. Where the camera seems not to have moved,
points are tracked from where they were first, and the search is left out if they agree. Sets without details, out
of focus or nearly bare, are aligned by their brightness (:mod:`.direct_alignment`). Of the places in which a set
that repeats itself fits, what does not repeat tells the right one (:mod:`.repeats`).

Coordinates are pixel centres on the EXR plane: pixel (x, y) of any window lies at exactly (x, y).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .alignment_features import AlignmentFeatures, Points, grey_of
from .autocorrelation import SIDE
from .direct_alignment import DirectFit, align_directly
from .exposure import most_frequent_ratio
from .feature_fit import FeatureFit, coarse_fit, is_sane
from .image import Float32, Grey, Image
from .local_misfit import FEATURES_OF_SIDE, LOCAL_MISFIT, TRACKED_OF_SIDE, lies_beside
from .motion_fit import FEWEST_POINTS, FINE_THRESHOLD_PX, Matrix, choose_motion, distances_px, hull_part
from .repeats import REPEATS, best_place
from .tone_level import bounded, reduced_pair, tone_level
from .tracking import PointPairs, track
from .window import Window, enlarged

_LEAST_SPREAD = 0.02
_TRACKED_POINTS = 3000
# Fewer points suffice to confirm that nothing moved.
_ASKED_POINTS = 1000
_GLANCE_SIDE = 320
# At least this part of the points tracked from the unmoved position must agree that nothing moved.
_SURE = 0.8
# So many features, and this part of those that were matched, must agree to be the measurement by themselves.
_FEWEST_FEATURES, _LEAST_FEATURES = 40, 0.5
LEAST_AGREEING = 24
"""Fewer tracked points that agree may do so by chance: a failed search ends with a dozen, a good one on a picture
of 320 pixels with fifty."""
# A fit by brightness is believed where this part of the cells that resemble the clean plate is like it, and where
# the standard error is at most this part of the longer side. In 170 made pairs (four degrees of blur, a subject
# over 12 to 68 % of the picture) all of 147 such fits lay within 1.3 % of the width in each corner, half of them
# within 0.04 %; the other fits had parts up to 0.66 and errors from 1.7e-3 on. No fit of 120 pairs of different
# sets had both.
_LEAST_ALIKE, _MOST_ERROR = 0.67, 1.5e-3
# A standard error of more plate pixels is said.
_EXACT_PX = 0.5
VAGUE = (
    "The clean plate shows too few details and was aligned by its brightness alone: it may lie a pixel or more "
    "beside the plate. Look at the matte before edges of the set."
)
# Display windows whose sides differ by less than this are overscan or a crop, not proxies.
_LEAST_RESIZE = 0.2


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the clean plate was brought onto the plate.

    ``transform``: 3 x 3, clean-plate coordinates to plate coordinates, in pixels of the EXR plane. ``kind``:
    'none', 'translation', 'homography'. ``coverage``: part of the plate's data window that the clean plate
    reaches, 0..1. ``inliers``: part of the tracked points that agree, 0..1, NaN where none were needed.
    ``residual_px``: their median distance in plate pixels, NaN likewise. ``points``: how many were tracked.
    ``gain``, ``offset``: per channel, scene-linear: plate = gain * clean + offset. ``warnings``: sentences.
    """

    transform: Matrix
    kind: str = "none"
    coverage: float = 1.0
    inliers: float = float("nan")
    residual_px: float = float("nan")
    points: int = 0
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    warnings: tuple[str, ...] = ()


def is_measured(alignment: Alignment) -> bool:
    """Whether an alignment was measured from points."""
    return alignment.points > 0 and not np.isnan(alignment.residual_px)


def agreeing(alignment: Alignment) -> float:
    """How many points agree on an alignment; 0 where it was not measured."""
    return alignment.points * alignment.inliers if is_measured(alignment) else 0.0


def align(plate: Image, clean: Image, mode: str, details: AlignmentFeatures | None = None) -> Alignment:
    """The alignment of ``clean`` onto ``plate``; ``mode`` is one of none, translation, homography, auto.

    Both are scene-linear. ``details``: the features of ``clean``, where they are known already. Too little detail
    raises nothing: the result is then :func:`display_transform`, with a warning.
    """
    start = display_transform(plate, clean)
    if mode == "none":
        return Alignment(transform=start, coverage=coverage(start, plate.data_window, clean.data_window))
    found = _estimate(AlignmentFeatures(plate), details or AlignmentFeatures(clean), start, mode)
    if isinstance(found, str):
        warning = f"The clean plate was not aligned: {found}"
        covered = coverage(start, plate.data_window, clean.data_window)
        return Alignment(transform=start, coverage=covered, warnings=(warning,))
    return found


def align_near(plate: Image, clean: Image, near: Matrix, mode: str, details: AlignmentFeatures) -> Alignment | None:
    """The alignment from points tracked from where the transform ``near`` puts them, with no search of the whole
    picture; None where too few are found. The other arguments are those of :func:`align`."""
    if not (plate.data_window.area and clean.data_window.area):
        return None
    start = display_transform(plate, clean)
    coarse = _in_arrays(near, plate.data_window, clean.data_window)
    found = _refined(AlignmentFeatures(plate), details, start, mode, coarse)
    return None if isinstance(found, str) else found


def is_unlike(plate: Image, other: Image) -> bool:
    """Whether the display windows have one origin and other shapes: it is not known how the two belong together,
    and :func:`display_transform` leaves ``other`` as large as it is. Where the origins differ, somebody placed
    them."""
    own, window = plate.display_window, other.display_window
    if (own.width, own.height) == (window.width, window.height) or (own.x, own.y) != (window.x, window.y):
        return False
    return not _is_proxy(own, window, plate.pixel_aspect / other.pixel_aspect)


def display_transform(plate: Image, clean: Image) -> Matrix:
    """Clean-plate to plate coordinates by the display windows alone.

    Pictures share the EXR plane's pixel grid, whatever their windows cut out of it, unless one is a proxy: then
    the display windows show the same picture in another number of pixels (half the size, or anamorphic against
    desqueezed). Pixel edges coincide there, so centres shift by half a pixel where the scale is not 1.
    """
    target, source = plate.display_window, clean.display_window
    if not _is_proxy(target, source, plate.pixel_aspect / clean.pixel_aspect):
        return np.eye(3)
    sx, sy = target.width / source.width, target.height / source.height
    tx = (target.x - 0.5) - sx * (source.x - 0.5)
    ty = (target.y - 0.5) - sy * (source.y - 0.5)
    return np.array([[sx, 0.0, tx], [0.0, sy, ty], [0.0, 0.0, 1.0]])


def _is_proxy(target: Window, source: Window, aspect: float) -> bool:
    """Whether both windows have one shape and one origin, to a pixel of rounding, in clearly different sizes. The
    shape is that which is seen, or that which is stored: many files do not say that their pixels are squeezed."""
    if not (target.area and source.area):
        return False
    sx, sy = target.width / source.width, target.height / source.height
    resized = max(abs(np.log(sx)), abs(np.log(sy))) > np.log(1.0 + _LEAST_RESIZE)
    # sx * aspect == sy where the shapes agree; a window's sides are whole pixels.
    off = min(abs(sx * squeezed / sy - 1.0) for squeezed in (aspect, 1.0))
    off *= min(target.width, source.width, target.height, source.height)
    apart = max(abs(sx * source.x - target.x) / max(sx, 1.0), abs(sy * source.y - target.y) / max(sy, 1.0))
    return bool(resized and off <= 1.0 and apart <= 1.0)


def coverage(transform: Matrix, plate: Window, clean: Window) -> float:
    """The part of the plate's window that the clean plate reaches, 0..1."""
    if not plate.area or not clean.area:
        return 0.0
    corners = _outline(clean)
    moved = cv2.perspectiveTransform(corners[None], transform)[0].astype(np.float32)
    inside, _ = cv2.intersectConvexConvex(moved, _outline(plate))
    return float(min(inside / plate.area, 1.0))


def _outline(window: Window) -> Points:
    left, top = window.x - 0.5, window.y - 0.5
    right, bottom = window.right - 0.5, window.bottom - 0.5
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _estimate(plate: AlignmentFeatures, clean: AlignmentFeatures, start: Matrix, mode: str) -> Alignment | str:
    """The alignment, or a sentence that says why there is none."""
    if not (plate.window.area and clean.window.area):
        return "one of the pictures has no pixels."
    found = _by_details(plate, clean, start, mode)
    if isinstance(found, str) or agreeing(found) < LEAST_AGREEING:
        found = _by_brightness(plate, clean, start, mode) or found
    # A camera that moved by a whole repeat of its set, to a fraction of a pixel, is no likely one.
    if isinstance(found, str) or found.kind == "none" or not len(clean.repeats):
        return found
    return _among_repeats(found, plate, clean, start, mode)


def _among_repeats(
    found: Alignment, plate: AlignmentFeatures, clean: AlignmentFeatures, start: Matrix, mode: str
) -> Alignment:
    """``found``, or the alignment a repeat of the set beside it where that fits better."""
    windows = plate.window, clean.window
    lights = bounded(plate.light), bounded(clean.light)
    level = tone_level(reduced_pair(*lights, SIDE, _in_arrays(start, *windows)))
    here, unmoved = (
        np.asarray(np.linalg.inv(_in_arrays(matrix, *windows)), np.float64) for matrix in (found.transform, start)
    )
    place = best_place(level, clean.repeats, here, unmoved)
    is_sure = place.is_sure
    if place.is_another or found.warnings:
        # Features taken for those a repeat away lie beside it together. What is tracked does not leap so far.
        again = _refined(plate, clean, start, mode, np.asarray(np.linalg.inv(place.matrix), np.float64))
        if not isinstance(again, str) and agreeing(again) >= LEAST_AGREEING:
            found = again
        elif place.is_another:
            is_sure = False
    return found if is_sure else replace(found, warnings=(*found.warnings, REPEATS))


def _by_details(plate: AlignmentFeatures, clean: AlignmentFeatures, start: Matrix, mode: str) -> Alignment | str:
    """The alignment from features and tracked points, or a sentence that says why there is none."""
    still = _in_arrays(start, plate.window, clean.window)
    if mode == "auto" and _seems_unmoved(plate.grey, clean, still):
        # Most cameras stand on a tripod: tracking from the unmoved position confirms that without a feature search.
        found = _refined(plate, clean, start, mode, still, _ASKED_POINTS)
        if not isinstance(found, str) and found.kind == "none" and found.inliers >= _SURE:
            return found
    coarse = coarse_fit(plate, clean)
    if isinstance(coarse, str):
        return coarse
    found = _refined(plate, clean, start, mode, coarse.transform)
    if isinstance(found, str) or agreeing(found) < LEAST_AGREEING:
        found = _by_features(plate, clean, start, mode, coarse) or found
    # Features are found again also where the transform is too far off for points to be tracked.
    if isinstance(found, str) or found.warnings:
        return found
    return _checked(found, coarse.pairs, (plate.window, clean.window), FEATURES_OF_SIDE)


def _refined(
    plate: AlignmentFeatures,
    clean: AlignmentFeatures,
    start: Matrix,
    mode: str,
    coarse: Matrix,
    most: int = _TRACKED_POINTS,
) -> Alignment | str:
    """The alignment from at most ``most`` points tracked near ``coarse``, a transform in array coordinates; or why
    there is none."""
    # A difference in brightness would look like movement. A bright subject shifts the plate's median, so the clean
    # plate's mid grey follows from the ratio in the parts that both show.
    same_middle = plate.middle / _brightness_ratio(plate.light, clean.light, coarse)
    tracked = track(plate.grey, clean, grey_of(clean.light, same_middle), coarse, most)
    if len(tracked[0]) < FEWEST_POINTS:
        return "too few of its details are found again in the plate."
    windows = plate.window, clean.window
    fit = _fit(tracked, windows, start, mode, coarse)
    if fit is None:
        return "the details found again do not agree on one movement."
    return _checked(fit, tracked, windows, TRACKED_OF_SIDE)


def _by_features(
    plate: AlignmentFeatures, clean: AlignmentFeatures, start: Matrix, mode: str, coarse: FeatureFit
) -> Alignment | None:
    """The alignment from the places of features alone; None where they do not clearly agree. A chance fit of two
    pictures that have nothing in common has a dozen that agree."""
    fit = _fit(coarse.pairs, (plate.window, clean.window), start, mode, coarse.transform)
    if fit is None or fit.inliers < _LEAST_FEATURES or agreeing(fit) < _FEWEST_FEATURES:
        return None
    return fit


def _by_brightness(
    plate: AlignmentFeatures, clean: AlignmentFeatures, start: Matrix, mode: str
) -> Alignment | None:
    """The alignment that makes the pictures alike; None where they are not alike in enough places, or where nothing
    says how the clean plate lies. The points are the places compared, and the residual is the standard error."""
    window = plate.window
    found = align_directly(plate.light, clean.light, _in_arrays(start, window, clean.window), mode)
    if found is None or not _is_believed(found, window):
        return None
    transform = start if found.kind == "none" else _on_plane(found.transform, window, clean.window)
    return Alignment(
        transform=transform,
        kind=found.kind,
        coverage=coverage(transform, window, clean.window),
        inliers=len(found.places) / found.resembling,
        residual_px=found.error_px,
        points=found.resembling,
        warnings=(VAGUE,) if found.error_px > _EXACT_PX else (),
    )


def _is_believed(fit: DirectFit, window: Window) -> bool:
    """Whether enough of a plate with ``window`` is alike, in enough of it, to say where the clean plate lies."""
    alike, side = len(fit.places), max(window.width, window.height)
    if alike < max(LEAST_AGREEING, _LEAST_ALIKE * fit.resembling) or fit.error_px > _MOST_ERROR * side:
        return False
    places = fit.places + np.array([window.x, window.y], np.float32)
    return is_sane(fit.transform) and hull_part(places, window) >= _LEAST_SPREAD


def _fit(
    pairs: PointPairs, windows: tuple[Window, Window], start: Matrix, mode: str, coarse: Matrix
) -> Alignment | None:
    """The alignment that pairs of points (clean plate, plate; array coordinates) agree on; None where too few do.
    ``windows``: the plate's and the clean plate's."""
    plate, clean = windows
    source, target = _pairs_on_plane(pairs, windows)
    motion = choose_motion(source, target, start, _on_plane(coarse, plate, clean), mode)
    if motion is None:
        return None
    kind, transform = motion
    distances = distances_px(transform, source, target)
    inside = distances < FINE_THRESHOLD_PX
    if inside.sum() < FEWEST_POINTS or hull_part(target[inside], plate) < _LEAST_SPREAD:
        return None
    return Alignment(
        transform=transform,
        kind=kind,
        coverage=coverage(transform, plate, clean),
        inliers=float(inside.mean()),
        residual_px=float(np.median(distances[inside])),
        points=len(source),
    )


def _checked(
    found: Alignment, pairs: PointPairs, windows: tuple[Window, Window], least_of_side: float
) -> Alignment:
    """``found`` with a warning where pairs of points (clean plate, plate; array coordinates) say that a part of the
    frame lies beside it. ``windows``: the plate's and the clean plate's."""
    is_beside = lies_beside(found.transform, *_pairs_on_plane(pairs, windows), windows[0], least_of_side)
    return replace(found, warnings=(LOCAL_MISFIT,)) if is_beside else found


def _pairs_on_plane(pairs: PointPairs, windows: tuple[Window, Window]) -> PointPairs:
    """Pairs of points (clean plate, plate) in array coordinates as places on the EXR plane; ``windows``: the
    plate's and the clean plate's."""
    plate, clean = windows
    source, target = pairs
    return source + np.array([clean.x, clean.y], np.float32), target + np.array([plate.x, plate.y], np.float32)


def _on_plane(transform: Matrix, plate: Window, clean: Window) -> Matrix:
    """A transform between array coordinates (clean plate to plate) as one between EXR plane coordinates."""
    return plate.to_plane() @ transform @ clean.from_plane()


def _in_arrays(transform: Matrix, plate: Window, clean: Window) -> Matrix:
    """The inverse of :func:`_on_plane`."""
    return plate.from_plane() @ transform @ clean.to_plane()


def _seems_unmoved(plate: Grey, clean: AlignmentFeatures, still: Matrix) -> bool:
    """Whether the phase correlation of small copies, with ``still`` applied, finds less than a pixel of movement:
    only a hint, but in a fiftieth of the time of a feature search."""
    height, width = plate.shape
    scale = min(1.0, _GLANCE_SIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = cv2.resize(plate, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    step = enlarged(width / size[0], height / size[1])
    behind = clean.small(np.linalg.inv(still) @ step, size, max(1, round(1 / scale)))
    # A copy, for that of the clean plate is kept: where its size suits the Fourier transform, OpenCV multiplies
    # what it is given by the window in place.
    (x, y), _ = cv2.phaseCorrelate(small, behind.copy(), cv2.createHanningWindow(size, cv2.CV_32F))
    return bool(abs(x) < 1.0 and abs(y) < 1.0)


def _brightness_ratio(plate: Float32, clean: Float32, coarse: Matrix) -> float:
    """The ratio of the plate's brightness to the clean plate's where both show the same, on a copy of about 500
    pixels."""
    step = max(1, max(plate.shape) // 512)
    small = plate[::step, ::step]
    height, width = small.shape
    to_clean = np.linalg.inv(coarse) @ np.diag([step, step, 1.0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    behind = np.asarray(cv2.warpPerspective(clean, to_clean, (width, height), flags=flags), np.float32)
    lit = (small > 1e-5) & (behind > 1e-5)
    return most_frequent_ratio(behind[lit], small[lit]) if lit.any() else 1.0
