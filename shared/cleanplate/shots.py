"""The mattes of a shot, written to files, as ``cleanplate matte`` makes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matte_link.client import MatteClient
from matte_link.messages import Progress

from matte_server.errors import MatteError
from matte_server.server.local_server import server_for
from matte_server.shots.argument_values import needed_instead
from matte_server.shots.arguments import SHOT_ARGUMENTS, TEXT, ShotArgument, ShotOrder
from matte_server.shots.batch import run_shot
from matte_server.shots.clean_plate_check import why_not_its_clean_plate
from matte_server.shots.option_files import files_of
from matte_server.shots.plan_checks import check_before_start
from matte_server.shots.reports import FrameReport, ShotReport
from matte_server.shots.unlike_frames import unlike_frames
from matte_server.shots.without_effect import without_effect

from .frames import options_of, plain

OnEvent = Callable[[FrameReport | tuple[int, Progress]], None]
_ARGUMENTS = {argument.name: argument for argument in SHOT_ARGUMENTS}


def matte_shot(
    plate: str | Path,
    clean: str | Path,
    output: str | Path,
    *,
    server: str = "",
    keys: str = "",
    on_event: OnEvent = lambda event: None,
    **settings: Any,
) -> ShotReport:
    """Makes the mattes of a shot and returns how each frame ended; a frame that fails raises nothing.

    ``.frames`` of the report has ``frame``, ``status`` ("done", "skipped", "failed"), ``output``, ``diagnostics``,
    and ``code`` and ``message`` of what failed; ``.failed`` are those alone. ``.stopped`` says why the others were
    not tried, as where the server is gone; it is empty where all were.

    The names are those of a job file: ``frames="1001-1100"``, ``camera="locked"``, ``comp=...``, and every
    option, such as ``model="difference"``. ``server`` is a server's address; without one, a server that runs on
    this machine is used, else one is started and ended again. ``on_event`` is called with each frame's report,
    and with (frame number, progress) before. What is finished is skipped, so the same call goes on where an
    earlier one ended. What is given and changes nothing, and a clean plate that does not seem to be this shot's,
    are warnings of Python's. Raises :class:`CleanplateError` where the shot cannot be made at all."""
    named = {"plate": plate, "clean": clean, "output": output, **settings}
    given = {name: _value_of(argument, named[name]) for name, argument in _ARGUMENTS.items() if name in named}
    options = options_of({name: value for name, value in settings.items() if name not in _ARGUMENTS}, _ARGUMENTS)
    order = ShotOrder(options=options, **given)
    shot = order.plan()
    check_before_start(shot)
    for sentence in without_effect(order, shot):
        warnings.warn(sentence, stacklevel=2)
    found = server_for(server, keys, files_of([options]), len(shot.frames))
    with found as endpoint, MatteClient(endpoint) as client:
        report = run_shot(shot, client, on_event)
    for sentence in filter(None, (why_not_its_clean_plate(report, shot), *unlike_frames(report.frames))):
        warnings.warn(sentence, stacklevel=2)
    return report


def _value_of(argument: ShotArgument, given: object) -> Any:
    """An argument's value as a command line has it; raises ``MatteError("bad_option", ...)``."""
    value = str(given) if isinstance(given, Path) else plain(given)
    is_left_out = not argument.is_needed and value == argument.default
    if needed := "" if is_left_out else needed_instead(argument, value):
        raise MatteError("bad_option", f"{argument.name} must be {needed}, not {given!r:.100}.")
    return str(value) if argument.kind == TEXT else value
