"""``cleanplate evaluate`` prints its whole table, however narrow the terminal, and into a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli import console
from matte_server.cli import main as cli
from matte_server.cli.evaluate import tables
from matte_server.evaluation.evaluate import LABELS
from tests.matte_server import picture_files as files
from tests.matte_server.evaluation.test_evaluate import write_alpha


@pytest.mark.parametrize("columns", ["40", "80"])
def test_no_figure_is_cut_off(tmp_path: Path, columns: str) -> None:
    for frame in (1, 2):
        write_alpha(tmp_path / "truth" / f"a_rather_long_name_of_a_shot.{frame:04d}.png", 255)
        write_alpha(tmp_path / "result" / f"a_rather_long_name_of_a_shot.{frame:04d}.png", 204)
    command = [sys.executable, "-m", "matte_server", "evaluate", "truth", "result", "--sequence"]
    environment = {**os.environ, "COLUMNS": columns}
    ended = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert "a_rather_long_name_of_a_shot.0002" in ended.stdout and "…" not in ended.stdout
    rows = [line for line in ended.stdout.splitlines() if "a_rather_long_name" in line]
    assert len(rows) == 2 and all(len(row) == len(rows[0]) for row in rows)


def test_figures_that_cannot_be_written_are_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", "nothing", "nothing", "--json", str(tmp_path)]) == console.BAD_INPUT
    assert "written (it is a folder); nothing was started. Name another --json." in capsys.readouterr().err


def test_a_terminal_gets_as_many_tables_as_it_takes() -> None:
    figures = dict.fromkeys(LABELS, 1.25)
    [wide] = tables(["a"], [figures], figures, None)
    several = tables(["truth.1001"], [figures], figures, 80)
    assert len(several) > 1 and all(table.width is not None and table.width <= 80 for table in several)
    assert wide.width is not None and wide.width > 80
    assert sum(len(table.columns) - 1 for table in several) == len(wide.columns) - 1 == len(LABELS)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_alpha_that_is_no_number_is_named(tmp_path: Path, odd: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Its figures were nan, with exit code 0."""
    for name, value in (("good.exr", 0.5), ("odd.exr", odd)):
        alpha = np.full((8, 8), 0.5, np.float32)
        alpha[2, 3] = value
        files.exr(tmp_path / name, {"A": alpha})
    for pair in (("good.exr", "odd.exr"), ("odd.exr", "good.exr")):
        words = ["evaluate", *(str(tmp_path / name) for name in pair)]
        assert cli.main(words) == console.BAD_INPUT
        assert "odd.exr has 1 NaN or infinite value in its alpha." in capsys.readouterr().err


def test_a_dash_is_standard_output_for_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """They went into a file called "-". The table is out of their way."""
    write_alpha(tmp_path / "a.png", 255)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["evaluate", "a.png", "a.png", "--json", "-"]) == console.OK
    out, err = capfd.readouterr()
    assert json.loads(out)["mean"]["mad"] == 0.0
    assert "mean" in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
