"""The Python listings of the documents, run as they stand there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io.exr import write_image
from matte_server.models.protocols import FrameTensors, ModelSettings
from tests.conftest import REPOSITORY


def listing(document: str, begin: str, end: str) -> str:
    """What stands in a document between two lines."""
    return (
        (REPOSITORY / document).read_text(encoding="utf-8").partition(f"\n{begin}\n")[2].partition(f"\n{end}\n")[0]
    )


def test_the_frame_without_a_server_is_solved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It read names where only a ``Path`` is read."""
    monkeypatch.chdir(tmp_path)
    window = Window(0, 0, 96, 64)
    wall = np.random.default_rng(1).uniform(0.1, 0.6, (64, 96, 3)).astype(np.float32)
    for name, pixels in (("plate", np.where(np.arange(96)[:, None] < 30, np.float32(0.9), wall)), ("clean", wall)):
        write_image(Path(f"{name}.exr"), Image(pixels, ("R", "G", "B"), window, window))
    exec(listing("CONTRIBUTING.md", "uv run python - <<'END'", "END"), {})
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("foreground") for line in printed), "the stages"
    assert "'warnings'" in printed[-1] or "warnings=" in printed[-1], "the diagnostics"


def test_the_model_of_ones_own_is_one() -> None:
    made: dict[str, type] = {}
    exec(listing("matte_server/docs/OWN_MODEL.md", "```python", "```"), made)
    model = made["ThresholdPlugin"]().load("", torch.device("cpu"))
    plate = torch.full((1, 3, 4, 6), 0.2)
    plate[..., :2] = 0.4
    frame = FrameTensors(
        plate=plate,
        clean_plate=torch.full_like(plate, 0.2),
        coverage=torch.ones(1, 1, 4, 6),
        core=None,
        holdout=None,
    )
    found = model.predict(frame, ModelSettings(), lambda: None)
    assert found.alpha[0, 0, 0].tolist() == [1, 1, 0, 0, 0, 0] and model.spec.name == "threshold"
