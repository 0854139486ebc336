"""Hair by Blender's nodes: what follows from a seed, and what is done to the strands that come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matte_server.training.scenes.groom import Strands
from matte_server.training.scenes.groomed import STYLES, NodeGroom, build_groomed, fallen
from matte_server.training.scenes.obj import Points
from matte_server.training.scenes.recipes import groomed

RADII = np.array([0.08, 0.09, 0.12])


def straight(groom: NodeGroom, radii: Points) -> Strands:
    """Strands along the normals of a sphere's directions, as the nodes grow them."""
    ways = np.random.default_rng(0).normal(0, 1, (40, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    share = np.linspace(0, groom.length, groom.steps)[None, :, None]
    points = (ways * radii)[:, None] + ways[:, None] * share
    return Strands(points=points, radii=np.full(points.shape[:2], groom.radius))


def panoramas(folder: Path) -> Path:
    for name in ("lebombo_1k", "rooitou_park_1k"):
        (folder / f"{name}.hdr").touch()
    return folder


def test_a_seed_gives_one_groom_and_the_splits_share_none(tmp_path: Path) -> None:
    hdri = panoramas(tmp_path)
    train = [groomed("train", 3, index, hdri) for index in range(12)]
    held_out = [groomed("heldout", 3, index, hdri) for index in range(12)]
    assert train == [groomed("train", 3, index, hdri) for index in range(12)]
    assert not {recipe.seed for recipe in train} & {recipe.seed for recipe in held_out}
    for recipes, split in ((train, "train"), (held_out, "heldout")):
        styles = {recipe.groom.style for recipe in recipes if recipe.groom is not None}
        assert styles and styles <= set(STYLES[split])  # type: ignore[index]
    assert not set(STYLES["train"]) & set(STYLES["heldout"])


def test_hair_falls_and_stays_outside_the_head(tmp_path: Path) -> None:
    groom = groomed("train", 1, 0, panoramas(tmp_path)).groom
    assert groom is not None
    grown = straight(groom, RADII)
    down = fallen(grown, 1.0, RADII)
    assert down.points[:, -1, 2].mean() < grown.points[:, -1, 2].mean() - 0.2 * groom.length
    assert np.linalg.norm(down.points / RADII, axis=2).min() > 1 - 1e-6
    # Without a fall they stay where they grew, to the rounding of a sum.
    assert np.allclose(fallen(grown, 0.0, RADII).points, grown.points, atol=1e-9)


def test_a_head_with_hair(tmp_path: Path) -> None:
    groom = groomed("heldout", 1, 1, panoramas(tmp_path)).groom
    assert groom is not None
    subject = build_groomed(groom, np.random.default_rng(1), straight)
    assert len(subject.parts) == 1 and subject.tufts[0].strands.points.shape == (40, groom.steps, 3)
    assert subject.head is not None and 0 < len(subject.head) < 40 * groom.steps
