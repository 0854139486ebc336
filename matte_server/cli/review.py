"""``--review`` of ``cleanplate matte``: writes a shot's review and says where it is."""

from __future__ import annotations

import argparse

from matte_link.sequence import format_frames
from rich.progress import Progress

from ..errors import MatteError
from ..review.review import review_folder, write_review
from ..shots.leftovers import Leftovers
from ..shots.reports import ShotReport
from ..shots.shot import Shot
from . import console


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Adds the flag."""
    parser.add_argument(
        "--review",
        action="store_true",
        help="also write OUT's review beside it: a page for the browser, a contact sheet and a preview video",
    )


def review(shot: Shot, report: ShotReport) -> int:
    """Writes one shot's review; returns the exit code."""
    folder = review_folder(shot)
    try:
        with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
            task = progress.add_task("reviewing", total=len(shot.frames))
            files = write_review(shot, report, folder, lambda: progress.advance(task))
        Leftovers([files.page, files.sheet, files.movie]).remove()
    except MatteError as error:
        console.complain(str(error), error.code)
        return console.FRAMES_FAILED
    sentence = "no frame stands out"
    if files.worst is not None:
        worst = f"the worst is {files.worst.frame}: {files.worst.reasons[0].sentence}"
        sentence = f"frames to look at: {format_frames(files.to_look_at)}; {worst}"
    console.say(f"Review: {files.page} ({sentence}), {files.sheet.name}, {files.movie.name}")
    return console.OK
