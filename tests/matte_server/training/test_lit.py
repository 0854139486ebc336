"""Composites of pairs that a renderer lit: a grey disc, solid but for its rim, and its shadow on stripes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io.exr import write_image
from matte_server.training.__main__ import main
from matte_server.training.bank import Bank
from matte_server.training.composite import MEASURED, Composite, Faults
from matte_server.training.lit import compose_lit, pairs_in, read_pair
from matte_server.training.procedural import Float32
from matte_server.training.random_fields import Dice
from matte_server.training.ring import compose_one

SIZE = (48, 64)
FAULTLESS = replace(MEASURED, misalignment=0.0, camera=0.0)
SHADOW, GREY = 0.5, 0.3
CPU = torch.device("cpu")


def pictures(size: tuple[int, int] = SIZE) -> tuple[Float32, Float32, Float32]:
    """Plate, clean plate and truth (RGBA)."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    clean = np.dstack([0.4 + 0.2 * np.sin(x / 3)] * 3).astype(np.float32)
    alpha = (10 - np.hypot(x - 32, y - 24)).clip(0, 1)[..., None]
    below = (np.hypot(x - 40, y - 34) < 8)[..., None]
    behind = np.where(below, SHADOW * clean, clean)
    return alpha * GREY + (1 - alpha) * behind, clean, np.dstack([alpha * GREY] * 3 + [alpha]).astype(np.float32)


def write_pair(folder: Path, number: int, size: tuple[int, int] = SIZE) -> None:
    folder.mkdir(exist_ok=True)
    for name, pixels in zip(("plate", "clean", "truth"), pictures(size), strict=True):
        channels = tuple("RGBA"[: pixels.shape[-1]])
        window = Window(0, 0, size[1], size[0])
        image = Image(
            pixels=pixels.astype(np.float32), channels=channels, data_window=window, display_window=window
        )
        write_image(folder / f"{name}.{number:04d}.exr", image)


def composite(seed: int, faults: Faults = FAULTLESS) -> Composite:
    pair = torch.from_numpy(np.moveaxis(np.dstack(pictures()), -1, 0).copy())
    dice = Dice(rng=np.random.default_rng(seed), noise=torch.Generator().manual_seed(seed))
    return compose_lit(dice, pair, [], SIZE, faults)


def test_the_subject_lies_over_a_set_that_has_its_shadow() -> None:
    found = 0
    for seed in range(20):
        made = composite(seed)
        solid, bare = made.alpha[0] > 0.999, made.alpha[0] < 1e-4
        if int(solid.sum()) < 50 or int(bare.sum()) < 200:
            continue
        share = (made.plate.mean(0) / made.clean.mean(0).clamp(min=1e-4))[bare]
        # Half of the light where the shadow falls, all of it elsewhere; noise and drift of exposure leave a third.
        dark, light = float(share.quantile(0.02)), float(share.median())
        found += dark < 0.75 * light
        # The disc's own colour in the same exposure as the plate.
        assert float(made.foreground[:, solid].mean() / made.plate[:, solid].mean()) == pytest.approx(1, rel=0.1)
    assert found >= 5


def test_a_bank_draws_pairs_of_the_wanted_orientation(tmp_path: Path) -> None:
    write_pair(tmp_path, 1)
    write_pair(tmp_path, 2, (96, 72))
    (tmp_path / "plate.0003.exr").write_bytes(b"a pair that is being rendered")
    bank = Bank(folder=tmp_path, render_folder=None, pair_folder=tmp_path, device=CPU)
    assert bank.refresh() == 2 and bank.refresh() == 0
    rng = np.random.default_rng(1)
    upright, level = (bank.pick_pair(rng, wanted) for wanted in (True, False))
    assert upright is not None and tuple(upright.shape) == (10, 96, 72)
    assert level is not None and tuple(level.shape) == (10, *SIZE)
    # Each pair's subject is a subject by itself too: a disc of 20 pixels with a margin of two.
    assert len(bank.people) == 2 and bank.people[0].shape[0] == 4 and max(bank.people[0].shape[1:]) < 25
    assert Bank(folder=tmp_path, render_folder=None, device=CPU).pick_pair(rng, upright=True) is None


def test_a_packed_pair_is_the_pair(tmp_path: Path) -> None:
    write_pair(tmp_path / "exr", 7)
    assert main(["pack", str(tmp_path / "exr"), str(tmp_path / "packed")]) == 0
    (whole,), (packed,) = pairs_in(tmp_path / "exr"), pairs_in(tmp_path / "packed")
    # Half a step of 8 bits in alpha; colour below 0.6 is stored as a square root, and in half floats before.
    error = np.abs(read_pair(whole) - read_pair(packed))
    assert float(error[9].max()) <= 0.5 / 255 + 1e-6
    assert float(error[:9].max()) <= 0.6 / 255 + 6e-4
    assert sorted(path.name for path in (tmp_path / "packed").iterdir()) == ["pair.0007.json", "pair.0007.webp"]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_pairs_are_drawn_as_often_as_the_faults_say(tmp_path: Path, share: float) -> None:
    write_pair(tmp_path, 1)
    bank = Bank(folder=tmp_path, render_folder=None, pair_folder=tmp_path, device=CPU)
    bank.refresh()
    red = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    bank.sets.append(red.expand(3, 96, 128).half())
    bank.subjects.append(torch.ones(4, 8, 8).half())
    for seed in range(6):
        dice = Dice(rng=np.random.default_rng(seed), noise=torch.Generator().manual_seed(seed))
        made = compose_one(bank, dice, SIZE, replace(FAULTLESS, lit=share, people=0.0, kinds=0.0))
        grey = float(made.clean[0].mean()) < 1.5 * float(made.clean[2].mean())
        assert grey == bool(share)
