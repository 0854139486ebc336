"""The ledger of training runs: what was trained on what, with figures. ``LEDGER.md`` is kept in the repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

LEDGER = Path(__file__).parent / "LEDGER.md"
RECORD = "run.json"
_COLUMNS = ("date", "device", "layout", "start", "material", "setting", "steps", "minutes", "error", "note")
_HEAD = """# Training runs

One row for each run, appended by `python -m matte_server.training ledger RUN.json --note TEXT`; RUN.json is what a
run leaves beside its weights. `error` is the mean absolute error of alpha x 1000 on the run's held-out composites,
partial alpha counted ten times: comparable between rows of the same material only.

"""

Facts = Mapping[str, str | int | float]


def write_record(folder: Path, facts: Facts) -> None:
    """Write the facts of a run to ``folder``, under a temporary name until complete."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{RECORD}.part"
    part.write_text(json.dumps(dict(facts), indent=1) + "\n", encoding="utf-8")
    part.replace(folder / RECORD)


def append(record: Path, note: str, ledger: Path = LEDGER) -> str:
    """Append the run of ``record`` to the table in ``ledger``, which is made where it is missing; returns the row.
    Raises ``ValueError`` where ``record`` lacks a fact or has one that would break the table."""
    facts = {**json.loads(record.read_text(encoding="utf-8")), "note": note}
    lacking = [column for column in _COLUMNS if column not in facts]
    if lacking:
        raise ValueError(f"{record} lacks {', '.join(lacking)}")
    cells = [str(facts[column]) for column in _COLUMNS]
    if any("|" in cell or "\n" in cell for cell in cells):
        raise ValueError(f"{record} and its note may hold no '|' and no line break")
    row = f"| {' | '.join(cells)} |"
    if not ledger.exists():
        ledger.write_text(f"{_HEAD}| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}\n", encoding="utf-8")
    with ledger.open("a", encoding="utf-8") as file:
        file.write(row + "\n")
    return row
