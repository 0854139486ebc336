"""Models of other distributions: listed, run through a real server, and left out where they cannot be used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from matte_link.options import BUILT_IN_MODELS

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.io.image_reader import read_image
from matte_server.models.registry import built_in_specs
from tests.conftest import REPOSITORY

TINY = """
import torch
from matte_server.models.protocols import ModelSpec, Prediction
from matte_server.pixels.coarse_grid import CoarseGrid

class TinyModel:
    spec = ModelSpec(name="{name}", label="Tiny", summary="A constant.", licence="MIT",
                     commercial_use=True, weights="none")
    def predict(self, frame, settings, check):
        alpha = torch.full_like(frame.coverage, 0.25)
        return Prediction(alpha, None, CoarseGrid.of(torch.ones_like(alpha)))

class TinyPlugin:
    spec = TinyModel.spec
    def load(self, weights, device):
        return TinyModel()

PLUGIN = TinyPlugin()
"""


def install(folder: Path, module: str, source: str) -> None:
    """A distribution as an installer leaves it: a module, and the folder that describes it."""
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    facts = folder / f"{module}-1.5.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.5\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(f"[cleanplate.models]\n{module} = {module}:PLUGIN\n", encoding="utf-8")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    paths = [str(folder), str(REPOSITORY), str(REPOSITORY / "shared")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "CLEANPLATE_MODELS": str(folder / "none")}
    # An address where nobody listens, so that the command starts a server for itself.
    environment["CLEANPLATE_SERVER"] = "tcp://127.0.0.1:9"
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )


def test_the_lists_of_built_in_models_agree() -> None:
    assert sorted(spec.name for spec in built_in_specs()) == sorted(BUILT_IN_MODELS)


BROKEN = {
    "a_taken": (TINY.format(name="v2"), "the name 'v2' is taken by another model"),
    "b_auto": (TINY.format(name="auto"), "the name 'auto' is taken by another model"),
    "c_import": ("import no_such_library", "No module named 'no_such_library'"),
    "d_number": ("PLUGIN = 3", "'int' object has no attribute 'spec'"),
    "e_exit": ("raise SystemExit('no licence')", "no licence"),
    "g_second": (TINY.format(name="tiny"), "the name 'tiny' is taken by another model"),
}


def test_an_installed_model_is_listed_and_has_a_digest_and_what_cannot_be_used_is_left_out(tmp_path: Path) -> None:
    install(tmp_path, "f_tiny", TINY.format(name="tiny"))
    for module, (source, _) in BROKEN.items():
        install(tmp_path, module, source)
    # One process for all: most of its time is torch's import.
    script = """
from matte_server.cli.main import main
from matte_server.models.identity import default_weights
code = main(["models", "--json"])
print(default_weights()["tiny"])
raise SystemExit(code)
"""
    done = run(tmp_path, "-c", script)
    assert done.returncode == 0, done.stderr
    *report, digest = done.stdout.strip().splitlines()
    listed = {entry["name"]: entry for entry in json.loads("\n".join(report))["models"]}
    assert set(listed) == {*BUILT_IN_MODELS, "tiny"} and listed["tiny"]["ready"]
    assert digest == "f_tiny 1.5"
    lines = [line for line in done.stderr.splitlines() if "is left out" in line]
    assert len(lines) == len(BROKEN)
    for line, (_, reason) in zip(lines, BROKEN.values(), strict=True):
        assert reason in line


def test_an_installed_model_runs_through_a_real_server(tmp_path: Path) -> None:
    install(tmp_path, "tiny", TINY.format(name="tiny"))
    window = Window(0, 0, 64, 48)
    for name, value in (("plate", 0.5), ("clean", 0.2)):
        pixels = np.full((48, 64, 3), value, np.float32)
        image = Image(pixels=pixels, channels=("R", "G", "B"), data_window=window, display_window=window)
        (tmp_path / f"{name}.exr").write_bytes(exr.encode_exr(image, {}, exr.ExrFormat()))
    done = run(
        tmp_path, "-m", "matte_server", "matte", "plate.exr", "--clean", "clean.exr", "-o", "out.exr",
        "--model", "tiny", "--align", "none", "--server", "",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    alpha = read_image(tmp_path / "out.exr").pixels[..., 3]
    # Half floats hold 0.25 exactly.
    assert alpha.min() == alpha.max() == 0.25
