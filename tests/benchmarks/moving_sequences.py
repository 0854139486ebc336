"""Sequences of moving subjects, from seeds alone: what ``bench_temporal`` measures smoothing in time on.

The subjects are those of the held-out kinds and figures that are drawn, with seeds that training never uses; each
moves in one way before a set that is drawn too. The packaged network saw neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from matte_server.training.backgrounds import background
from matte_server.training.bank import trim
from matte_server.training.benchmark_pictures import Move, bent, swayed, turned, well_framed
from matte_server.training.composite import MEASURED, Composite, compose
from matte_server.training.kinds.catalogue import held_out_subject
from matte_server.training.procedural import Canvas, Float32, person
from matte_server.training.random_fields import Dice

SIZE = (432, 576)
"""Height and width in pixels."""
_NOISE = 0.02
"""Standard deviation of the noise added to the square root of the light, anew in each frame."""
_MARGIN = 0.12
"""Empty room around a layer to move in, as a part of its longer side."""
_STEP = 0.01
"""How far a subject travels in a frame at speed 1, as a part of its longer side."""
_SEED = 71_000


@dataclass(frozen=True)
class MovingSubject:
    """``kind`` is a row of the table; ``name`` says what of that kind it is, ``number`` which one; ``speed``: how
    much of ``move``'s own step it moves by in a frame."""

    kind: str
    name: str
    number: int
    move: Move
    speed: float


def travelled(pixels: Float32, frame: float) -> Float32:
    """The layer moved to the right by ``_STEP`` of its longer side, ``frame`` times, to a part of a pixel."""
    way = _STEP * frame * max(pixels.shape[:2])
    whole = int(np.floor(way))
    part = np.float32(way - whole)
    pair = (np.roll(pixels, whole, 1), np.roll(pixels, whole + 1, 1))
    return np.asarray((1 - part) * pair[0] + part * pair[1], np.float32)


SUBJECTS = tuple(
    MovingSubject(kind=kind, name=name, number=number, move=move, speed=speed)
    for kind, name, number, move, speed in (
        ("hair", "hair", 8, swayed, 0.2),
        ("hair", "hair", 9, swayed, 0.6),
        ("hair", "hair", 10, bent, 0.6),
        ("hair", "hair", 11, travelled, 0.5),
        ("people", "person", 0, travelled, 0.3),
        ("people", "person", 1, bent, 0.5),
        ("people", "person", 2, turned, 0.2),
        ("people", "person", 3, swayed, 0.5),
        ("fur", "fur", 5, swayed, 0.3),
        ("fur", "fur", 6, travelled, 1.0),
        ("fur", "fur", 8, bent, 0.8),
        ("plants", "grass", 5, bent, 0.4),
        ("plants", "twigs", 6, swayed, 0.3),
        ("plants", "feather", 8, turned, 0.3),
        ("things", "comb", 9, turned, 0.2),
        ("things", "comb", 10, travelled, 0.5),
        ("things", "net", 5, swayed, 0.3),
        ("things", "chair", 5, travelled, 0.8),
    )
)


def sequences(count: int) -> Iterator[tuple[str, list[Composite]]]:
    """The kind and the ``count`` frames of each sequence."""
    for place, subject in enumerate(SUBJECTS):
        yield subject.kind, list(_frames(subject, _SEED + place, count))


def _frames(subject: MovingSubject, seed: int, count: int) -> Iterator[Composite]:
    layer = _with_room(trim(_drawn(subject)))
    make = partial(_composed, scene_seed=seed)
    number, _ = well_framed(make, layer, seed)
    for frame in range(count):
        sample = make([subject.move(layer, subject.speed * frame)], number)
        noise = torch.randn(sample.plate.shape, generator=torch.Generator().manual_seed(100 * seed + frame))
        yield replace(sample, plate=sample.plate + _NOISE * noise * sample.plate.clamp(min=0).sqrt())


def _drawn(subject: MovingSubject) -> Float32:
    if subject.name != "person":
        return held_out_subject(subject.name, subject.number)
    canvas = Canvas(np.random.default_rng([_SEED, subject.number]), 640)
    person(canvas)
    return canvas.finish()


def _with_room(layer: Float32) -> Float32:
    room = round(_MARGIN * max(layer.shape[:2]))
    return np.pad(layer, ((room, room), (room, room), (0, 0)))


def _composed(layers: list[Float32], number: int, scene_seed: int) -> Composite:
    """The layers before the sequence's set; everything else follows from ``number``."""
    rng = np.random.default_rng([scene_seed, number])
    scene = background(rng, [], SIZE[0] * 5 // 4, SIZE[1] * 5 // 4)
    dice = Dice(rng=rng, noise=torch.Generator().manual_seed(number))
    pixels = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(each, -1, 0))) for each in (*layers, scene)]
    return compose(dice, pixels[:-1], pixels[-1], SIZE, MEASURED)
