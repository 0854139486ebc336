"""Pairs results with their ground truth and computes every figure of every frame."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matte_link.sequence import FramePattern, counted

from ..core.image import divided_by_alpha
from ..errors import MatteError
from . import scores

SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".dpx")
LABELS = {
    "sad": "SAD/1000",
    "mad": "MAD x 1e3",
    "mse": "MSE x 1e3",
    "grad": "Grad/1000",
    "conn": "Conn/1000",
    "sad_unknown": "SAD/1000 unk.",
    "mad_unknown": "MAD x 1e3 unk.",
    "mse_unknown": "MSE x 1e3 unk.",
    "grad_unknown": "Grad/1000 unk.",
    "conn_unknown": "Conn/1000 unk.",
    "fg_mse": "FG MSE x 1e3",
    "dtssd": "dtSSD x 100",
}
"""The figures by name, with their headings, in the table's order. "unk.": over the unknown band only."""
THOUSANDTHS = ("mad", "mse", "mad_unknown", "mse_unknown", "fg_mse")
"""Figures that the table multiplies by 1000. JSON holds them unmultiplied."""


@dataclass(frozen=True, eq=False)
class EvaluatedMatte:
    """A result, or its ground truth. ``alpha``: height x width, 0..1. ``foreground``: height x width x 3,
    unpremultiplied scene-linear; None where there is none."""

    alpha: scores.Floats
    foreground: scores.Floats | None = None


def read_matte(path: Path) -> EvaluatedMatte:
    """Reads a picture's alpha: the channel A, or red where there is no A. A picture with alpha also gives the
    foreground. Both are those of the display window, as results and truths have data windows of their own. Raises
    ``MatteError``: not_finite where alpha has NaN or infinity, and the codes of reading and of colour."""
    from ..io.colour import to_scene_linear  # here, as training measures where OpenImageIO is missing
    from ..io.exr import in_display_window, read_image

    image = in_display_window(read_image(path))
    has_alpha = image.pixels.shape[2] > 3
    alpha = np.ascontiguousarray(image.pixels[..., 3 if has_alpha else 0])
    if odd := int(np.count_nonzero(~np.isfinite(alpha))):
        raise MatteError("not_finite", f"{path} has {counted(odd, 'NaN or infinite value')} in its alpha.")
    if not has_alpha:
        return EvaluatedMatte(alpha=alpha)
    light = to_scene_linear(image, image.colourspace)
    straight = divided_by_alpha(light) if image.premultiplied else light
    return EvaluatedMatte(alpha=alpha, foreground=np.ascontiguousarray(straight.rgb))


def score(
    result: EvaluatedMatte, truth: EvaluatedMatte, before: tuple[EvaluatedMatte, EvaluatedMatte] | None = None
) -> dict[str, float]:
    """Every figure of one frame. ``before``: (result, truth) of the previous frame of a sequence, for dtSSD."""
    everywhere = np.ones(truth.alpha.shape, np.bool_)
    band = scores.unknown_band(truth.alpha)
    figures: dict[str, float] = {}
    for name, measure in (
        ("sad", scores.absolute_sum),
        ("mad", scores.absolute_mean),
        ("mse", scores.square_mean),
        ("grad", scores.gradient),
        ("conn", scores.connectivity),
    ):
        figures[name] = measure(result.alpha, truth.alpha, everywhere)
        figures[f"{name}_unknown"] = measure(result.alpha, truth.alpha, band)
    if result.foreground is not None and truth.foreground is not None:
        figures["fg_mse"] = scores.foreground_square_mean(result.foreground, truth.foreground, truth.alpha)
    if before is not None:
        earlier_result, earlier_truth = before
        figures["dtssd"] = scores.temporal_difference(
            result.alpha, truth.alpha, earlier_result.alpha, earlier_truth.alpha, everywhere
        )
    return {name: figures[name] for name in LABELS if name in figures}


def mean_of(frames: Iterable[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the frames that have it."""
    rows = list(frames)
    return {
        name: statistics.fmean(row[name] for row in rows if name in row)
        for name in LABELS
        if any(name in row for row in rows)
    }


def pictures_in(place: Path) -> list[Path]:
    """``place`` itself, the files of a pattern such as truth.####.exr in order of frames, or the pictures in that
    folder, sorted by name. Raises ``MatteError``."""
    if place.is_file():
        return [place]
    try:
        pattern = FramePattern(str(place))
    except ValueError as error:
        raise MatteError("bad_range", str(error)) from None
    if pattern.is_sequence:
        return [pattern.path(frame) for frame in pattern.frames_on_disk()]
    if not place.is_dir():
        raise MatteError(
            "missing_file", f"{place} does not exist.", "Give a picture, a pattern or a folder of pictures."
        )
    return sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)


def pairs(truth: Path, results: Path) -> list[tuple[Path, Path]]:
    """(result, truth) for each truth, matched by file name without suffix, or where no name fits, by the frame
    number at its end: truth.1001 with matte.1001. Two single files belong together whatever they are called.
    Raises ``MatteError`` where there is no truth, or a truth has no result."""
    truths, found = pictures_in(truth), pictures_in(results)
    if not truths:
        raise MatteError("no_frames", f"{truth} holds no pictures.", f"Pictures end in {', '.join(SUFFIXES)}.")
    if truth.is_file() and results.is_file():
        return [(found[0], truths[0])]
    by_name, key = {path.stem: path for path in found}, _stem
    if not any(path.stem in by_name for path in truths):
        by_name, key = _by_frame(found) or by_name, _frame_number if _by_frame(truths) else _stem
    lacking = [path.name for path in truths if key(path) not in by_name]
    if lacking:
        shown = ", ".join(lacking[:3]) + (f" and {len(lacking) - 3} more" if len(lacking) > 3 else "")
        raise MatteError(
            "missing_result",
            f"{results} has no result for {shown}.",
            "A result has the same file name as its truth apart from the suffix, or the same frame number.",
        )
    return [(by_name[key(path)], path) for path in truths]


def _stem(path: Path) -> str:
    return path.stem


def _frame_number(path: Path) -> str:
    """The number at the end of a file's name, without its zeros; empty where there is none."""
    digits = re.search(r"(\d+)\Z", path.stem)
    return str(int(digits[1])) if digits else ""


def _by_frame(paths: Sequence[Path]) -> dict[str, Path]:
    """The pictures by frame number; empty where one has none, or two have the same."""
    numbered = {_frame_number(path): path for path in paths}
    return numbered if len(numbered) == len(paths) and "" not in numbered else {}


def evaluate(truth: Path, results: Path, sequence: bool) -> list[dict[str, object]]:
    """One row for each frame: its name as ``frame``, and its figures. ``sequence``: the frames follow one another,
    so each is also compared with the previous one. Raises ``MatteError``, also where the sizes of a pair differ."""
    rows: list[dict[str, object]] = []
    before: tuple[EvaluatedMatte, EvaluatedMatte] | None = None
    place_before = Path()
    for result_path, truth_path in pairs(truth, results):
        result, reference = read_matte(result_path), read_matte(truth_path)
        _check_sizes(result, reference, result_path, truth_path)
        if before is not None:
            _check_sizes(before[1], reference, place_before, truth_path)
        rows.append({"frame": truth_path.stem, **score(result, reference, before)})
        before, place_before = (result, reference) if sequence else None, truth_path
    return rows


def _check_sizes(result: EvaluatedMatte, truth: EvaluatedMatte, result_path: Path, truth_path: Path) -> None:
    if result.alpha.shape != truth.alpha.shape:
        (h, w), (th, tw) = result.alpha.shape, truth.alpha.shape
        raise MatteError(
            "size_mismatch", f"{result_path.name} is {w}x{h}, but {truth_path.name} is {tw}x{th}.",
            "Compare pictures of one size.",
        )  # fmt: skip


def figures_of(row: dict[str, object]) -> dict[str, float]:
    """The figures in a row of :func:`evaluate`."""
    return {name: value for name, value in row.items() if isinstance(value, float)}


def shown(name: str, value: float) -> str:
    """A figure as the table shows it."""
    return f"{value * 1000 if name in THOUSANDTHS else value:.3f}"


def columns(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """The names of the figures that any row has, in the table's order."""
    return [name for name in LABELS if any(name in row for row in rows)]
