"""Things on a table, rendered small: what the three pictures of a pair have to do with each other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from matte_server.io.exr import read_image
from tests.plugin_blender.environments import REPOSITORY, VERSIONS, Unavailable, ensure

_COMB, _PANORAMA = 2, "lebombo_1k"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comb, 96 x 72 pixels."""
    try:
        python = ensure(VERSIONS[0])
    except Unavailable as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("tabletop")
    sky = np.full((16, 32, 3), 0.5, np.float32)
    assert cv2.imwrite(str(folder / f"{_PANORAMA}.hdr"), sky)
    words = [str(python), "-m", "matte_server.training.tabletop", str(folder / "pairs"), "--hdri", str(folder)]
    said = subprocess.run(
        [*words, "--first", str(_COMB), "--count", "1", "--samples", "4", "--percentage", "15"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert "0002 comb" in said.stdout
    return folder / "pairs"


def test_the_clean_plate_is_the_plate_without_the_things(pair: Path) -> None:
    plate, clean, truth = (read_image(pair / f"{name}.0002.exr").pixels for name in ("plate", "clean", "truth"))
    alpha = truth[..., 3]
    assert sorted(path.name for path in pair.iterdir()) == ["clean.0002.exr", "plate.0002.exr", "truth.0002.exr"]
    # A comb that fills some of the frame, solid in its bar.
    assert 0.02 < float(alpha.mean()) < 0.5 and float(alpha.max()) > 0.99
    # The plate holds the things where the truth is solid, and the set where it is empty, above the table. With four
    # rays a pixel the denoiser carries light of the set, which is four times as bright, into it: a sixth was seen.
    solid = alpha > 0.99
    assert float(np.median(plate[solid][:, :3])) == pytest.approx(float(np.median(truth[solid][:, :3])), rel=0.4)
    above = np.s_[: plate.shape[0] // 4]
    assert float(alpha[above].max()) < 0.01
    assert float(np.abs(plate[above][..., :3] - clean[above][..., :3]).mean()) < 0.02
    assert float(np.abs(plate[solid][:, :3] - clean[solid][:, :3]).mean()) > 0.05
    # Exposed by the clean plate's median.
    assert float(np.median(clean[..., :3].mean(-1))) == pytest.approx(0.2, rel=0.25)
