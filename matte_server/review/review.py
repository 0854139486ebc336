"""Writes a shot's review beside its mattes, from the files on disk: a page, a contact sheet and a preview video.

The shot is read once, frame by frame; only small compressed pictures of each frame stay in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from matte_link.files import write_atomically

from ..core.image import Float32, Image
from ..errors import MatteError
from ..io import exr
from ..io.media import is_video
from ..shots.inputs import ShotInputs
from ..shots.outputs import frame_rate_of
from ..shots.reports import FrameReport, ResultStatus, ShotReport
from ..shots.shot import Shot, evenly_spaced
from .columns import with_outliers
from .contact_sheet import contact_sheet, matte_cells
from .figures import FrameFigures, figures_of, flicker
from .frame import FrameView, read_view, shrunk, small_pictures
from .movie import write_preview
from .page import Page, PageFrame, page_html

PAGE, SHEET, MOVIE = "index.html", "contact_sheet.png", "preview.mp4"
# The most frames of a shot, and how wide its pictures in the page are then: this keeps the page below 60 MB or so.
_WIDTHS = ((24, 1280), (120, 800), (400, 560))
_SMALLEST_WIDTH, _MOST_PICTURED = 400, 1500
_FLICKER_WIDTH = 320
_SHEET_ROWS = 6

OnFrame = Callable[[], None]


@dataclass(frozen=True)
class ReviewFiles:
    """The files that were written, and the numbers of the frames that a person should look at."""

    page: Path
    sheet: Path
    movie: Path
    to_look_at: tuple[int, ...]


def review_folder(shot: Shot) -> Path:
    """Where a shot's review is written: beside its mattes, named after what their names have in common."""
    stems = {frame.output.stem.rstrip("0123456789").rstrip("._-") for frame in shot.frames}
    stem = stems.pop() if len(stems) == 1 else ""
    return shot.frames[0].output.with_name(f"{stem or 'shot'}.review")


def write_review(shot: Shot, report: ShotReport, folder: Path, on_frame: OnFrame = lambda: None) -> ReviewFiles:
    """Writes the review into ``folder``; ``on_frame`` is called after each frame. Raises ``MatteError``: no_frames
    where no frame has a result, cannot_write, and the codes of reading pictures."""
    with ShotInputs(shot.options) as pictures:
        reports = {frame.frame: frame for frame in report.frames}
        reader = _ShotReader(shot=shot, reports=reports, pictures=pictures, on_frame=on_frame)
        start, rate, audio = _timing(shot, pictures)
        if not any(reader.has_result(index) for index in range(len(shot.frames))):
            raise MatteError("no_frames", "No frame of the shot has a result, so there is nothing to review.")
        movie, page, sheet = (folder / name for name in (MOVIE, PAGE, SHEET))
        write_preview(movie, reader.comps(), rate, audio, start)
        figures = with_outliers(reader.figures)
        frames = [reader.page_frame(index, frame) for index, frame in enumerate(figures)]
        title = Path(shot.title or shot.frames[0].output).name
        _write_text(page, page_html(Page(title=title, frames=frames, note=_note(report), rate=float(rate))))
        exr.write_image(sheet, _sheet(reader, figures, title))
    to_look_at = tuple(frame.frame for frame in figures if frame.reasons)
    return ReviewFiles(page=page, sheet=sheet, movie=movie, to_look_at=to_look_at)


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

    def comps(self) -> Iterator[Float32 | None]:
        """Every frame's comp in order, None for a frame without a result. Fills ``figures`` on the way."""
        alphas: list[Float32 | None] = [None, None]
        for index in range(len(self.shot.frames)):
            view = self.view(index)
            self.figures.append(self._figures(index, view))
            alphas = [*alphas[-2:], None if view is None else shrunk(view.alpha, _FLICKER_WIDTH)]
            self._add_flicker(index - 1, alphas)
            if view is not None and index % self._every == 0:
                self._small[index] = small_pictures(view, self._width)
            self.on_frame()
            yield None if view is None else _square(view)

    def _figures(self, index: int, view: FrameView | None) -> FrameFigures:
        frame = self.shot.frames[index].frame
        report = self.reports.get(frame)
        if view is None:
            return figures_of(frame, {}, report.message if report and report.message else "it was not attempted.")
        return figures_of(frame, (report.diagnostics if report else {}) or view.diagnostics)

    def _add_flicker(self, index: int, alphas: list[Float32 | None]) -> None:
        before, alpha, after = alphas
        if index >= 1 and alpha is not None:
            self.figures[index] = replace(self.figures[index], flicker=flicker(before, alpha, after))

    def page_frame(self, index: int, figures: FrameFigures) -> PageFrame:
        """One frame of the page. A frame that stands out always has its pictures, however long the shot is."""
        if figures.reasons and index not in self._small and (view := self.view(index)):
            self._small[index] = small_pictures(view, self._width)
        return PageFrame(figures=figures, pictures=self._small.get(index, {}))

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


def _timing(shot: Shot, pictures: ShotInputs) -> tuple[Fraction, Fraction, Path | None]:
    """For the preview: the time in seconds at which its sound starts, its frame rate, and the file with the sound
    (None for a silent preview)."""
    first = shot.frames[0]
    if is_video(first.plate):
        facts = pictures.video(first.plate).facts
        number = first.video_frames["plate"]
        is_unbroken = [frame.video_frames["plate"] - number for frame in shot.frames] == list(
            range(len(shot.frames))
        )
        return facts.times[number - 1], facts.rate, first.plate if facts.has_audio and is_unbroken else None
    return Fraction(0), frame_rate_of(exr.read_image(first.plate)), None


def _note(report: ShotReport) -> str:
    parts = [report.solve, f"Stopped: {report.stopped}" if report.stopped else ""]
    return " ".join(part for part in parts if part)


def _sheet(reader: _ShotReader, figures: list[FrameFigures], title: str) -> Image:
    """A contact sheet of a few frames of the shot, some of those to look at among them."""
    rows, titles = [], []
    for index in _chosen([bool(frame.reasons) for frame in figures]):
        view = reader.view(index)
        if view is not None:
            rows.append(matte_cells(view.plate, view.clean, view.foreground, view.alpha, view.comp))
            mark = " (look at it)" if figures[index].reasons else ""
            titles.append(f"frame {figures[index].frame}{mark}:")
    return contact_sheet(rows, titles, title)


def _chosen(odd: list[bool]) -> list[int]:
    """The indices of at most ``_SHEET_ROWS`` frames: up to half of them stand out, the rest are spread evenly."""
    bad = [index for index, is_odd in enumerate(odd) if is_odd][: _SHEET_ROWS // 2]
    return sorted({*bad, *evenly_spaced(range(len(odd)), _SHEET_ROWS - len(bad))})


def _write_text(path: Path, text: str) -> None:
    try:
        write_atomically(str(path), text.encode())
    except OSError as error:
        raise MatteError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None
