"""``cleanplate evaluate``: the field's figures of results against their truth, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from matte_link.files import write_atomically
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..evaluation.evaluate import LABELS, columns, evaluate, figures_of, mean_of, shown
from . import console

EPILOG = """\
examples:
  cleanplate evaluate truth/ results/
  cleanplate evaluate truth/ results/ --sequence --json figures.json

Pictures belong together by name. Alpha is the channel A, or the red of pictures without one. The unknown band is
partial alpha of the truth, grown by 10 pixels. --sequence takes the pictures, sorted, as the frames of one shot and
adds dtSSD.

exit codes: 0 evaluated, 2 the input cannot work
"""

_UNBOUNDED = console.out.options.update(max_width=10_000)


def add_parser(subparsers: Any) -> None:
    """Adds ``evaluate`` to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure results against their truth",
        description="SAD, MAD, MSE, Grad, Conn, foreground MSE and dtSSD of results against their truth.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="a picture or a folder of pictures")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="the same, made by a matter")
    parser.add_argument("--sequence", action="store_true", help="the pictures are the frames of one shot")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures as JSON")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Evaluate and print; raises ``MatteError``."""
    rows = evaluate(parsed.truth, parsed.results, parsed.sequence)
    figures = [figures_of(row) for row in rows]
    mean = mean_of(figures)
    names = columns(figures)
    table = Table(*["frame", *(LABELS[name] for name in names)])
    for row, numbers in zip(rows, figures, strict=True):
        table.add_row(escape(str(row["frame"])), *(shown(n, numbers[n]) if n in numbers else "" for n in names))
    table.add_section()
    table.add_row("mean", *(shown(name, mean[name]) for name in names))
    # As wide as it must be: in a pipe or a narrow terminal a table is worth nothing with its figures cut off.
    Console(width=console.out.measure(table, options=_UNBOUNDED).maximum, highlight=False).print(table)
    if parsed.json is not None:
        write_atomically(str(parsed.json), f"{json.dumps({'frames': rows, 'mean': mean}, indent=1)}\n".encode())
    return console.OK
