"""Writes a shot's review beside its mattes, from the files on disk: a page, a contact sheet and a preview video.

The shot is read once, frame by frame; only small compressed pictures of each frame stay in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from matte_link.files import write_atomically
from matte_link.sequence import evenly_spaced

from ..core.image import Float32, Image
from ..errors import MatteError
from ..io import exr
from ..io.media import is_video
from ..shots.inputs import ShotInputs
from ..shots.outputs import frame_rate_of
from ..shots.reports import FrameReport, ResultStatus, ShotReport
from ..shots.shot import Shot, ShotFrame
from .columns import common_warnings, with_outliers
from .compare import REACH, SmallFrame, compare, largest_place, small_frame
from .contact_sheet import contact_sheet, matte_cells
from .edge_fit import edge_fit
from .figures import FrameFigures, figures_of
from .frame import FrameView, crop, read_view, shrunk, small_pictures
from .frame_checks import contradictions, edge_softness, frame_difference, holes
from .movie import write_preview
from .page import Page, PageFrame, page_html

PAGE, SHEET, MOVIE = "index.html", "contact_sheet.png", "preview.mp4"
# The most frames of a shot, and how wide its pictures in the page are then: this keeps the page below 60 MB or so.
_WIDTHS = ((24, 1280), (120, 800), (400, 560))
_SMALLEST_WIDTH, _MOST_PICTURED = 400, 1500
_SHEET_ROWS, _SHEET_SPREAD = 6, 2
_RING = 2 * REACH + 1

OnFrame = Callable[[], None]


@dataclass(frozen=True)
class ReviewFiles:
    """The files that were written, the numbers of the frames that a person should look at, and the worst of these
    (None where no frame stands out)."""

    page: Path
    sheet: Path
    movie: Path
    to_look_at: tuple[int, ...]
    worst: FrameFigures | None = None


def review_folder(shot: Shot) -> Path:
    """Where a shot's review is written: beside its mattes, named after what their names have in common."""
    stems = {frame.output.stem.rstrip("0123456789").rstrip("._-") for frame in shot.frames}
    stem = stems.pop() if len(stems) == 1 else ""
    return shot.frames[0].output.with_name(f"{stem or 'shot'}.review")


def write_review(shot: Shot, report: ShotReport, folder: Path, on_frame: OnFrame = lambda: None) -> ReviewFiles:
    """Writes the review into ``folder``; ``on_frame`` is called after each frame. Raises ``MatteError``: no_frames
    where no frame has a result, cannot_write, and the codes of reading pictures."""
    with ShotInputs(shot.options, shot.deinterlace) as pictures:
        reports = {frame.frame: frame for frame in report.frames}
        reader = _ShotReader(shot=shot, reports=reports, pictures=pictures, on_frame=on_frame)
        made = [frame for index, frame in enumerate(shot.frames) if reader.has_result(index)]
        if not made:
            raise MatteError("no_frames", "No frame of the shot has a result, so there is nothing to review.")
        start, rate, audio = _timing(shot, made[0], pictures)
        movie, page, sheet = (folder / name for name in (MOVIE, PAGE, SHEET))
        write_preview(movie, reader.comps(), rate, audio, start)
        common = common_warnings(reader.figures)
        figures = with_outliers(reader.figures, common)
        frames = [reader.page_frame(index, frame) for index, frame in enumerate(figures)]
        title = Path(shot.title or shot.frames[0].output).name
        _write_text(
            page,
            page_html(
                Page(
                    title=title,
                    frames=frames,
                    note=_note(report, common),
                    rate=float(rate),
                )
            ),
        )
        exr.write_image(sheet, _sheet(reader, figures, title))
    to_look_at = [frame for frame in figures if frame.reasons]
    worst = max(to_look_at, key=lambda frame: frame.severity, default=None)
    numbers = tuple(frame.frame for frame in to_look_at)
    return ReviewFiles(page=page, sheet=sheet, movie=movie, to_look_at=numbers, worst=worst)


@dataclass
class _ShotReader:
    """Reads the shot once, in order, and keeps what the page needs."""

    shot: Shot
    reports: Mapping[int, FrameReport]
    pictures: ShotInputs
    on_frame: OnFrame
    figures: list[FrameFigures] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.shot.frames)
        self._width = next((width for most, width in _WIDTHS if count <= most), _SMALLEST_WIDTH)
        self._every = -(-count // _MOST_PICTURED)
        self._small: dict[int, dict[str, bytes]] = {}
        self._ring: deque[tuple[int, SmallFrame | None]] = deque(maxlen=_RING)

    def comps(self) -> Iterator[Float32 | None]:
        """Every frame's comp in order, None for a frame without a result. Fills ``figures`` on the way."""
        last = len(self.shot.frames) - 1
        for index in range(last + 1):
            view = self.view(index)
            self.figures.append(self._figures(index, view))
            self._ring.append((index, None if view is None else small_frame(view.plate, view.alpha)))
            self._compare(index, is_last=index == last)
            if view is not None and index % self._every == 0:
                self._small[index] = small_pictures(view, self._width)
            self.on_frame()
            yield None if view is None else _square(view)

    def _figures(self, index: int, view: FrameView | None) -> FrameFigures:
        frame = self.shot.frames[index].frame
        report = self.reports.get(frame)
        if view is None:
            return figures_of(frame, {}, report.message if report and report.message else "it was not attempted.")
        diagnostics = (report.diagnostics if report else {}) or view.diagnostics
        found = figures_of(frame, diagnostics, damaged=view.damaged)
        difference = frame_difference(view.plate, view.clean)
        wrong, gaps = contradictions(difference, view.alpha), holes(difference, view.alpha)
        places = {"contradicted": largest_place(wrong), "holes": largest_place(gaps)}
        fit = edge_fit(view.plate, view.clean, view.alpha)
        return replace(
            found,
            softness_px=edge_softness(view.alpha),
            misfit_px=fit.misfit_px if fit else None,
            offset_px=fit.offset_px if fit else None,
            contradicted=float(wrong.mean()),
            holes=float(gaps.mean()),
            places={name: place for name, place in places.items() if place is not None},
        )

    def _compare(self, newest: int, is_last: bool) -> None:
        """Compares the frame whose neighbours on both sides have now been read; at the end, those that are left."""
        for index in range(max(newest - REACH, 0), (newest if is_last else newest - REACH) + 1):
            self._add_comparison(index)

    def _add_comparison(self, index: int) -> None:
        own = dict(self._ring)[index]
        nearest = sorted(self._ring, key=lambda entry: abs(entry[0] - index))
        around = [small for at, small in nearest if small is not None and 0 < abs(at - index) <= REACH]
        found = compare(own, around) if own is not None else None
        if found is not None:
            figures = self.figures[index]
            self.figures[index] = replace(
                figures,
                flicker=found.flicker,
                appeared=found.appeared,
                vanished=found.vanished,
                places={**figures.places, **found.places},
            )

    def page_frame(self, index: int, figures: FrameFigures) -> PageFrame:
        """One frame of the page. A frame that stands out always has its pictures, however long the shot is, and a
        crop for each reason."""
        view = self.view(index) if figures.reasons else None
        if view is None:
            return PageFrame(figures=figures, pictures=self._small.get(index, {}))
        if index not in self._small:
            self._small[index] = small_pictures(view, self._width)
        crops = tuple(crop(view, reason.place) for reason in figures.reasons)
        return PageFrame(figures=figures, pictures=self._small[index], crops=crops)

    def has_result(self, index: int) -> bool:
        """Whether a frame was made, in this run or an earlier one."""
        frame = self.shot.frames[index]
        report = self.reports.get(frame.frame)
        return report is not None and report.status != ResultStatus.FAILED and frame.output.is_file()

    def view(self, index: int) -> FrameView | None:
        """A frame's pictures; None where it has no result."""
        return read_view(self.shot.frames[index], self.pictures) if self.has_result(index) else None


def _square(view: FrameView) -> Float32:
    """The comp with square pixels."""
    wide = round(view.comp.shape[1] * view.pixel_aspect)
    return view.comp if view.pixel_aspect == 1.0 else shrunk(view.comp, wide, view.pixel_aspect)


def _timing(shot: Shot, made: ShotFrame, pictures: ShotInputs) -> tuple[Fraction, Fraction, Path | None]:
    """For the preview: the time in seconds at which its sound starts, its frame rate, and the file with the sound
    (None for a silent preview). ``made`` is a frame that has a result."""
    first = shot.frames[0]
    if is_video(first.plate):
        facts = pictures.video(first.plate).facts
        number = first.video_frames["plate"]
        is_unbroken = [frame.video_frames["plate"] - number for frame in shot.frames] == list(
            range(len(shot.frames))
        )
        audio = first.plate if facts.has_audio and is_unbroken else None
        return facts.start + facts.times[number - 1], facts.rate, audio
    return Fraction(0), frame_rate_of(exr.read_image(made.plate)), None


def _note(report: ShotReport, common: Sequence[str]) -> str:
    parts = [report.solve, f"Stopped: {report.stopped}" if report.stopped else ""]
    parts += [f"In most frames: {warning}" for warning in common]
    return " ".join(part for part in parts if part)


def _sheet(reader: _ShotReader, figures: list[FrameFigures], title: str) -> Image:
    """A contact sheet of a few frames: the worst first, then some that are spread over the shot."""
    rows, titles = [], []
    for index in _chosen([frame.severity for frame in figures]):
        view = reader.view(index)
        if view is not None:
            pictures = (view.plate, view.clean, view.foreground, view.alpha, view.comp)
            rows.append(matte_cells(*pictures, view.pixel_aspect))
            mark = " (look at it)" if figures[index].reasons else ""
            titles.append(f"frame {figures[index].frame}{mark}:")
    return contact_sheet(rows, titles, title)


def _chosen(severities: Sequence[float]) -> list[int]:
    """The indices of at most ``_SHEET_ROWS`` frames: those that stand out most, the worst first, and others spread
    evenly where there is room for them, at least two."""
    worst = sorted(
        (index for index, severity in enumerate(severities) if severity > 0), key=lambda index: -severities[index]
    )
    bad = worst[: _SHEET_ROWS - _SHEET_SPREAD]
    spread = evenly_spaced(range(len(severities)), _SHEET_ROWS - len(bad))
    return [*bad, *(index for index in spread if index not in bad)]


def _write_text(path: Path, text: str) -> None:
    try:
        write_atomically(str(path), text.encode())
    except OSError as error:
        raise MatteError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None
