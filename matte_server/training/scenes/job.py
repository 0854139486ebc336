"""The job that the command gives the worker: which pictures to render, from what data, to where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .recipes import Recipe, groomed, recipe, sequence
from .styles import Split, varied


@dataclass(frozen=True)
class Job:
    """``count`` stills from number ``first`` of the run ``seed``, ``sequences`` shots of ``frames`` frames, and
    ``groomed`` heads of node hair.

    ``size`` (longer side, pixels) and ``samples`` overrule the recipes' where they are not 0. ``varied``: no two
    people wear a style alike.
    """

    out: Path
    makehuman: Path
    hdri: Path
    split: Split
    seed: int
    first: int
    count: int
    sequences: int = 0
    frames: int = 6
    size: int = 0
    samples: int = 0
    groomed: int = 0
    varied: bool = False

    def recipes(self) -> Iterator[Recipe]:
        """Every picture of the job, in order."""
        for index in range(self.first, self.first + self.count):
            yield self._varied(self._sized(recipe(self.split, self.seed, index, self.makehuman, self.hdri)))
        for index in range(self.groomed):
            yield self._sized(groomed(self.split, self.seed, index, self.hdri))
        for index in range(self.sequences):
            for shot in sequence(self.seed, index, self.frames, self.makehuman, self.hdri):
                yield self._sized(shot)

    def _sized(self, picture: Recipe) -> Recipe:
        view = picture.view
        size, samples = self.size or view.size, self.samples or view.samples
        return replace(picture, view=replace(view, size=size, samples=samples))

    def _varied(self, picture: Recipe) -> Recipe:
        person = picture.person
        if not self.varied or person is None or person.hair is None:
            return picture
        hair = varied(person.hair, np.random.default_rng([picture.seed, 2]))
        return replace(picture, person=replace(person, hair=hair))


def read_job(path: Path) -> Job:
    """The job in the JSON file ``path``."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    return Job(**{**facts, **{name: Path(facts[name]) for name in ("out", "makehuman", "hdri")}})


def write_job(job: Job, path: Path) -> None:
    """Write ``job`` as JSON."""
    facts = {n: str(v) if isinstance(v, Path) else v for n, v in vars(job).items()}
    path.write_text(json.dumps(facts), encoding="utf-8")
