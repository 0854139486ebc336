"""``cleanplate evaluate``: the field's figures of results against their truth, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from ..evaluation.evaluate import LABELS, columns, evaluate, figures_of, mean_of, shown
from ..shots.named_paths import named_path
from . import console
from .report_file import check_report, write_report
from .standard_streams import standard_streams

EPILOG = """\
examples:
  cleanplate evaluate truth/ results/
  cleanplate evaluate truth/ results/ --sequence --json figures.json
  cleanplate evaluate truth.####.exr matte.####.exr --sequence

Pictures belong together by name, or by the frame number at its end. SAD, MAD and MSE are differences of alpha (sum,
mean, mean of squares), Grad those of its gradient, Conn of what hangs together, dtSSD of its change in time. Alpha
is the channel A, or the red of pictures without one; what lies outside the display window does not count. The
unknown band is partial alpha of the truth, grown by 10 pixels. --sequence takes the pictures, sorted, as the frames
of one shot and adds dtSSD.

exit codes: 0 evaluated, 2 the input cannot work
"""

_UNBOUNDED = console.out.options.update(max_width=10_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``evaluate``."""
    parser.description = "SAD, MAD, MSE, Grad, Conn, foreground MSE and dtSSD of results against their truth."
    parser.epilog = EPILOG
    parser.add_argument(
        "truth",
        type=named_path,
        metavar="TRUTH",
        help="a picture, a pattern such as truth.####.exr, or a folder of pictures",
    )
    parser.add_argument("results", type=named_path, metavar="RESULTS", help="the same, made by a matter")
    parser.add_argument("--sequence", action="store_true", help="the pictures are the frames of one shot")
    parser.add_argument(
        "--json", default="", metavar="FILE", help="write the figures as JSON; - is standard output"
    )
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Evaluate and print; raises ``MatteError``."""
    with standard_streams(parsed):
        return _evaluate(parsed)


def _evaluate(parsed: argparse.Namespace) -> int:
    if parsed.json:
        check_report(Path(parsed.json))
    rows = evaluate(Path(parsed.truth), Path(parsed.results), parsed.sequence)
    figures = [figures_of(row) for row in rows]
    mean = mean_of(figures)
    titles = [str(row["frame"]) for row in rows]
    if parsed.json:
        facts = {"format": "cleanplate evaluation", "version": 1, "frames": rows, "mean": mean}
        write_report(Path(parsed.json), json.dumps(facts, indent=1))
    for table in tables(titles, figures, mean, console.out.width if console.out.is_terminal else None):
        console.out.print(table)
    return console.OK


def tables(
    titles: Sequence[str], figures: Sequence[Mapping[str, float]], mean: Mapping[str, float], width: int | None
) -> list[Table]:
    """The figures of all frames: in a terminal ``width`` columns wide, as many tables as it takes to cut off no
    figure; in a pipe (None) one table, however wide."""
    names, made = columns(figures), []
    while names:
        count = len(names)
        table = _table(titles, figures, mean, names)
        while width is not None and count > 1 and _width_of(table) > width:
            count -= 1
            table = _table(titles, figures, mean, names[:count])
        # As wide as it must be, even where the terminal is narrower than a single figure.
        table.width = _width_of(table)
        made.append(table)
        names = names[count:]
    return made


def _width_of(table: Table) -> int:
    return console.out.measure(table, options=_UNBOUNDED).maximum


def _table(
    titles: Sequence[str], figures: Sequence[Mapping[str, float]], mean: Mapping[str, float], names: Sequence[str]
) -> Table:
    table = Table("frame", box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(LABELS[name], justify="right", no_wrap=True)
    for title, numbers in zip(titles, figures, strict=True):
        table.add_row(escape(title), *(shown(name, numbers[name]) if name in numbers else "" for name in names))
    table.add_section()
    table.add_row("mean", *(shown(name, mean[name]) for name in names))
    return table
