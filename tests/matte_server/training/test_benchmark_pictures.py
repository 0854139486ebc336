"""The benchmark's material: every kind, shots that move as they say."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io.exr import write_image
from matte_server.training.backgrounds import panoramas
from matte_server.training.benchmark_pictures import LIGHT_FAULTS, bent, composed, pictures, swayed, turned
from matte_server.training.composite import MEASURED, Faults
from matte_server.training.kinds.catalogue import KINDS
from matte_server.training.procedural import Float32
from matte_server.training.scenes.recipes import HELDOUT_HDRIS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One held-out render of a grey disc, and all held-out panoramas."""
    folder = tmp_path_factory.mktemp("benchmark")
    y, x = np.mgrid[0:80, 0:64].astype(np.float32)
    alpha = np.clip(25 - np.hypot(x - 32, y - 40), 0, 1)
    pixels = np.dstack([alpha * 0.4] * 3 + [alpha]).astype(np.float32)
    window = Window(x=0, y=0, width=64, height=80)
    channels = ("R", "G", "B", "A")
    image = Image(pixels=pixels, channels=channels, data_window=window, display_window=window, premultiplied=True)
    write_image(folder / "heldout-person-0.exr", image)
    (folder / "heldout-person-0.json").write_text(json.dumps({"split": "heldout", "kind": "person"}))
    picture = cv2.resize(np.random.default_rng(1).uniform(0.05, 1, (16, 32, 3)).astype(np.float32), (256, 128))
    (folder / "more").mkdir()
    for number, name in enumerate(HELDOUT_HDRIS):
        assert cv2.imwrite(str(folder / ("more" if number % 2 else "") / f"{name}.hdr"), picture)
    return folder


def test_every_kind_is_in_it(folder: Path) -> None:
    """At least 60 stills and 6 shots, as the benchmark promises."""
    found = list(pictures(folder, folder))
    stills = Counter(picture.kind for picture in found if not picture.shot and picture.kind != "empty")
    assert set(KINDS) <= set(stills) and {"rendered person", "camera", "clipped", *LIGHT_FAULTS} <= set(stills)
    assert sum(stills.values()) >= 60
    assert len({picture.shot for picture in found} - {""}) >= 6
    assert len({picture.name for picture in found}) == len(found)


def test_where_the_panoramas_lie_changes_no_picture(tmp_path: Path) -> None:
    for number, name in enumerate(HELDOUT_HDRIS):
        place = tmp_path / ("z", "a", "m")[number % 3]
        place.mkdir(exist_ok=True)
        (place / f"{name}.hdr").touch()
        (place / f"studio{number}.hdr").touch()
    assert [path.stem for path in panoramas(tmp_path, held_out=True)] == list(HELDOUT_HDRIS)
    of_training = [path.stem for path in panoramas(tmp_path, held_out=False)]
    assert of_training == sorted(f"studio{number}" for number in range(len(HELDOUT_HDRIS)))


def test_a_panorama_that_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    for name in HELDOUT_HDRIS[1:]:
        (tmp_path / f"{name}.hdr").touch()
    with pytest.raises(FileNotFoundError, match=rf"also needs {HELDOUT_HDRIS[0]}\.hdr in "):
        next(pictures(folder, tmp_path))


def test_the_quick_one_has_every_kind_once(folder: Path) -> None:
    found = [picture for picture in pictures(folder, folder, quick=True) if not picture.shot]
    stills = Counter(picture.kind for picture in found if picture.kind != "empty")
    assert set(KINDS) <= set(stills) and set(stills.values()) == {1}


@pytest.mark.parametrize(
    "name", ["still-00", "still-smoke-0", "still-clipped-0", "still-ground-0", "still-focus-3", "shot-4-01"]
)
def test_each_picture_shows_its_subject(folder: Path, name: str) -> None:
    (picture,) = [picture for picture in pictures(folder, folder, (96, 128)) if picture.name == name]
    sample = picture.compose()
    assert float((sample.alpha > 0.1).float().mean()) > 0.01
    if picture.kind == "clipped":
        assert float(sample.plate.max()) < float(sample.clean.max())


def disc() -> Float32:
    y, x = np.mgrid[0:100, 0:100].astype(np.float32)
    alpha = np.clip(30 - np.hypot(x - 50, y - 60), 0, 1)
    return np.repeat(alpha[..., None], 4, 2)


@pytest.mark.parametrize(
    ("never", "always"),
    [
        (replace(MEASURED, shaded=0.0), replace(MEASURED, shaded=1.0)),
        *((MEASURED, always) for always in LIGHT_FAULTS.values()),
    ],
    ids=["shaded", *LIGHT_FAULTS],
)
def test_later_faults_are_not_in_it_so_that_figures_stay_comparable(never: Faults, always: Faults) -> None:
    views = [np.random.default_rng(1).uniform(0.05, 1, (64, 128, 3)).astype(np.float32)]
    changed = 0
    for number in range(12):
        plate, same, other = (
            composed([disc()], number, views, (48, 64), faults).plate for faults in (MEASURED, never, always)
        )
        assert torch.equal(plate, same)
        changed += int(not torch.equal(plate, other))
    assert changed > 0


@pytest.mark.parametrize("move", [turned, bent, swayed])
def test_frames_of_a_shot_move_and_keep_their_size(move) -> None:  # type: ignore[no-untyped-def]
    """The disc covers as much as before within 6 % (resampling, and what a lean stretches); it is elsewhere."""
    before, after = disc(), move(disc(), 2)
    assert after.shape == before.shape
    assert abs(after[..., 3].sum() / before[..., 3].sum() - 1) < 0.06
    assert np.abs(after - before).max() > 0.2


def test_a_bent_subject_stands_and_a_swaying_one_keeps_its_middle() -> None:
    before = disc()
    assert np.array_equal(bent(before, 2)[60:], before[60:])
    before[..., 0] *= np.linspace(0, 1, 100, dtype=np.float32)
    # The blur that says what is loose leaves 1e-3 of a pixel's way there.
    assert np.allclose(swayed(before, 2)[50:70, 40:60], before[50:70, 40:60], atol=1e-3)
