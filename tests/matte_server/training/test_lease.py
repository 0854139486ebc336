"""Training in short leases: material that may travel, one script, weights that come home, a ledger."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from matte_server.models.networks.cleanplate import DETAILED, LIGHT, CleanplateNet
from matte_server.training import parts
from matte_server.training.grow import grown_from
from matte_server.training.lease import LeaseMaterial, prepare
from matte_server.training.ledger import append
from matte_server.training.parts import read_parts, save_parts
from matte_server.training.train import Trainer, TrainSetup
from matte_server.training.validation import Validation
from tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / "matte_server" / "training" / "on_gpu.sh"


def plain_state(net: CleanplateNet) -> dict[str, torch.Tensor]:
    return {name: value for name, value in net.state_dict().items() if "num_batches" not in name}


def panorama(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(1).uniform(0.05, 1, (64, 128, 3)).astype(np.float32)
    assert cv2.imwrite(str(path), picture)


def render(folder: Path, name: str, split: str, size: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.webp").write_bytes(b"x" * size)
    (folder / f"{name}.json").write_text(json.dumps({"split": split}))


class KnownErrors(Validation):
    """Says the errors that a test gives it, one for each call."""

    ready = True

    def __init__(self, *errors: float) -> None:
        self._known = iter(errors)

    def error(self, state: Mapping[str, torch.Tensor]) -> float:
        return next(self._known)


def test_a_run_that_goes_on_keeps_its_best_weights(tmp_path: Path) -> None:
    setup = TrainSetup(bank=tmp_path, renders=None, out=tmp_path / "run", home=tmp_path / "home", layout=LIGHT)
    setup.out.mkdir()
    first = Trainer(setup, torch.device("cpu"))
    first.step = 10
    first.save(KnownErrors(5.0))
    again = Trainer(setup, torch.device("cpu"))
    again.step = 20
    assert again.save(KnownErrors(6.0)) == {"validation": 6.0}
    assert read_parts(tmp_path / "home")[1]["step"] == "10"
    again.save(KnownErrors(4.5))
    assert read_parts(tmp_path / "home")[1]["step"] == "20"


def test_weights_come_home_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 5_000_000)
    torch.manual_seed(1)
    state = plain_state(CleanplateNet(LIGHT))
    files = save_parts(state, tmp_path, {"step": "7"})
    assert len(files) == 3 and sorted(tmp_path.iterdir()) == files
    # A part holds one tensor more than fits only where that tensor is the first; a header takes some kilobytes.
    assert all(file.stat().st_size < 5_020_000 for file in files)
    found, facts = read_parts(tmp_path)
    assert facts == {"step": "7"} and found.keys() == state.keys()
    # Half precision keeps 11 bits; below 6e-5 it loses some.
    assert all(torch.allclose(found[name], value, rtol=2**-10, atol=1e-7) for name, value in state.items())
    grown = grown_from(tmp_path, DETAILED)
    name = "coarse.head.weight"
    assert torch.equal(grown.state_dict()[name][: len(state[name]), : state[name].shape[1]], found[name])


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 3000)
    state = {name: torch.zeros(40, 30) for name in "abc"}
    files = save_parts(state, tmp_path / "now", {"step": "7"})
    save_parts(state, tmp_path / "then", {"step": "6"})
    shutil.copyfile(tmp_path / "then" / files[0].name, files[0])
    with pytest.raises(ValueError, match="different steps"):
        read_parts(tmp_path / "now")
    files[1].unlink()
    with pytest.raises(FileNotFoundError, match="2 of 3 parts"):
        read_parts(tmp_path / "now")


def test_the_material_of_a_lease_is_what_may_be_seen_and_may_travel(tmp_path: Path) -> None:
    panorama(tmp_path / "hdri" / "studio.hdr")
    panorama(tmp_path / "hdri" / "st_fagans_interior_1k.hdr")  # held out
    panorama(tmp_path / "more" / "sky.hdr")
    for number in range(4):
        render(tmp_path / "renders", f"r{number}", "heldout" if number == 0 else "train", 5000)
    for number in range(2):
        render(tmp_path / "pairs", f"pair.000{number}", "", 2000)
    panoramas = [tmp_path / "hdri", tmp_path / "more"]
    size = sum((tmp_path / place).stat().st_size for place in ("hdri/studio.hdr", "more/sky.hdr"))
    material = LeaseMaterial(
        panoramas=panoramas, renders=tmp_path / "renders", pairs=tmp_path / "pairs", weights=None
    )
    # Two pairs and two renders in turn; a third render has no place.
    used = prepare(material, tmp_path / "lease", limit=size + 15_000)
    files = sorted(str(path.relative_to(tmp_path / "lease")) for path in (tmp_path / "lease").rglob("*.*"))
    assert files == [
        "hdri/sky.hdr",
        "hdri/studio.hdr",
        *(f"pairs/pair.000{number}.{suffix}" for number in (0, 1) for suffix in ("json", "webp")),
        *(f"renders/r{number}.{suffix}" for number in (1, 2) for suffix in ("json", "webp")),
    ]
    assert used["hdri"] == size and 10_000 < used["renders"] <= 11_000 and 4_000 < used["pairs"] < 4_100
    with pytest.raises(FileExistsError):
        prepare(material, tmp_path / "lease")
    with pytest.raises(ValueError, match="weights and panoramas take"):
        prepare(material, tmp_path / "other", limit=size - 1)


def test_the_ledger_takes_what_a_run_leaves(tmp_path: Path) -> None:
    record = tmp_path / "run.json"
    facts = {"date": "d", "device": "CPU", "layout": "light", "start": "s", "material": "m", "setting": "x"}
    record.write_text(json.dumps({**facts, "steps": 3, "minutes": 0.5, "error": 12.5}))
    for note in ("first", "second"):
        append(record, note, tmp_path / "LEDGER.md")
    lines = (tmp_path / "LEDGER.md").read_text().splitlines()
    assert lines[-2:] == [
        f"| d | CPU | light | s | m | x | 3 | 0.5 | 12.5 | {note} |" for note in ("first", "second")
    ]
    assert lines[-4].startswith("| date | device |")
    with pytest.raises(ValueError, match=r"no '\|'"):
        append(record, "a | b", tmp_path / "LEDGER.md")
    record.write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="lacks steps, minutes, error"):
        append(record, "note", tmp_path / "LEDGER.md")


def test_one_script_trains_and_brings_weights_home(tmp_path: Path) -> None:
    """The script of a GPU lease on this machine, with small pictures; after the lease it refuses."""
    panorama(tmp_path / "material" / "hdri" / "studio.hdr")
    home, run = tmp_path / "home", tmp_path / "run"
    # Few pictures: a filler that is not done takes a core from the training until that ends.
    pictures = {"SUBJECTS": 2, "SETS": 2, "KINDS": 1}
    settings = {"RUN": run, "PYTHON": sys.executable, "FILLERS": 1, "MAKERS": 1, **pictures}
    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}

    def call(steps: int, **more: str) -> subprocess.CompletedProcess[str]:
        command = [
            "bash",
            str(SCRIPT),
            str(tmp_path / "material"),
            str(home),
            "--layout",
            "light",
            "--threads",
            "1",
        ]
        command += ["--size", "64x96", "--batch", "2", "--slots", "4", "--validation", "2", "--steps", str(steps)]
        return subprocess.run(
            command, env={**environment, **more}, capture_output=True, text=True, check=False, timeout=200
        )

    done = call(2)
    assert done.returncode == 0, done.stderr
    facts = json.loads((home / "run.json").read_text())
    assert facts["steps"] == 2 and facts["layout"] == "light" and facts["error"] > 0
    state, metadata = read_parts(home)
    assert metadata["step"] == "2"
    best = load_file(run / "best.safetensors")
    name = "coarse.head.weight"
    assert torch.allclose(state[name], best[name], rtol=2**-10, atol=1e-7)
    append(home / "run.json", "a test", tmp_path / "LEDGER.md")
    (run / "began").write_text("0\n")
    late = call(3)
    assert late.returncode == 3 and "the lease has no time left" in late.stderr
