"""The people, animals, plants and furniture of :mod:`scenes`, on the table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

import numpy as np

from ..scenes.anatomy import Library
from ..scenes.blend_objects import add_subject
from ..scenes.recipes import Kind, Recipe, groomed, recipe
from ..scenes.worker import build
from .bodies import Things

_OTHERS: tuple[Kind, ...] = ("animal", "plant", "furniture", "groomed")
_RUNS = (400, 900)  # Of other runs than those that the renders of single subjects had.


@dataclass(frozen=True)
class SubjectData:
    """MakeHuman's folder, and that of the panoramas, which a recipe chooses from."""

    makehuman: Path
    panoramas: Path


def any_subject(dice: Random, data: SubjectData) -> tuple[Kind, Things]:
    """A person, or as often something else, 1.3 to 1.8 m tall: its kind and its objects."""
    kind: Kind = "person" if dice.choice((True, False)) else dice.choice(_OTHERS)
    subject = build(_recipe(dice.randrange(*_RUNS), kind, data), Library(data.makehuman))
    made = add_subject(subject)
    heights = np.concatenate([part.mesh.vertices[np.unique(part.mesh.loops), 2] for part in subject.parts])
    factor = dice.uniform(1.3, 1.8) / float(heights.max() - heights.min())
    for thing in made:
        thing.scale = (factor,) * 3
        thing.location = (0, 0, -factor * float(heights.min()))
    return kind, made


def _recipe(run: int, kind: Kind, data: SubjectData) -> Recipe:
    if kind == "groomed":
        return groomed("train", run, 0, data.panoramas)
    every = (recipe("train", run, index, data.makehuman, data.panoramas) for index in count())
    return next(chosen for chosen in every if chosen.kind == kind)
