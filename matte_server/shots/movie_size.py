"""Whether the frames of a shot fit into one video, told as they end, and not when all of them are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matte_link.diagnostics import PICTURES

from .reports import FrameReport
from .shot import Movies


class MovieSize:
    """The sizes of a shot's plates, of which a video takes one. ``movies``: what the shot is to become."""

    def __init__(self, movies: Movies) -> None:
        self._movies = movies
        self._first: dict[tuple[int, int], int] = {}

    def note(self, report: FrameReport) -> None:
        """Takes in a frame that has ended, with a result or without."""
        pictures = report.diagnostics.get(PICTURES)
        plate = pictures.get("plate") if isinstance(pictures, Mapping) else None
        window = plate.get("display_window") if isinstance(plate, Mapping) else None
        if isinstance(window, Sequence) and len(window) == 4:
            self._first.setdefault((int(window[2]), int(window[3])), report.frame)

    @property
    def problem(self) -> tuple[str, str] | None:
        """A sentence, and what to do, where two frames that have ended do not fit into one video; else None."""
        movie = self._movies.matte or self._movies.comp
        if movie is None or len(self._first) < 2:
            return None
        (usual, first), (odd, other) = list(self._first.items())[:2]
        sizes = f"frame {first} is {usual[0]} x {usual[1]}, and frame {other} {odd[0]} x {odd[1]}"
        kept = "the frames that are done are kept"
        if self._movies.matte:
            return (
                f"{movie} cannot hold frames of two sizes: {sizes}.",
                f"Name -o such as matte.####.exr; {kept} in {movie.name}.frames.",
            )
        return f"{movie} cannot hold frames of two sizes: {sizes}.", f"Name --comp such as comp.####.exr; {kept}."
