"""Files that options name are found from the right folder, and their whole paths travel."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from matte_link.options import MatteOptions

from matte_server.shots.job_file import read_job
from matte_server.shots.option_files import files_of, with_whole_paths


def test_what_is_there_gets_its_whole_path_and_other_names_stay(tmp_path: Path) -> None:
    (tmp_path / "take7.learned").write_bytes(b"weights")
    options = MatteOptions(weights="take7.learned", ocio_config="ocio://default")
    found = with_whole_paths(options, tmp_path)
    assert (found.weights, found.ocio_config) == (str(tmp_path / "take7.learned"), "ocio://default")
    assert with_whole_paths(options) == options
    assert files_of([found, found, options]) == [tmp_path / "take7.learned"]


def test_a_jobs_weights_are_seen_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tonight").mkdir()
    (tmp_path / "tonight" / "take7.learned").write_bytes(b"weights")
    job = {"shots": [{"plate": "p.exr", "clean": "c.exr", "output": "m.exr", "weights": "take7.learned"}]}
    (tmp_path / "tonight" / "job.yaml").write_text(yaml.safe_dump(job))
    monkeypatch.chdir(tmp_path)
    [order] = read_job(Path("tonight/job.yaml"))
    assert order.options.weights == str(tmp_path / "tonight" / "take7.learned")
