"""Every kind of subject and its variants: those of training, and those that only the benchmark uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..procedural import Float32, Random
from . import botany, films, glass, hair, lattices, textiles, wires
from .see_through import SeeThrough
from .sheet import Sheet

SIZE = 512
"""Side of a subject in pixels."""

Draw = Callable[[Sheet, str], None]
Make = Callable[[Random, int, str], SeeThrough]


@dataclass(frozen=True)
class Kind:
    """``draw`` fills a sheet; the variants of ``held_out`` are never trained on."""

    draw: Draw
    train: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class SeeThroughKind:
    """``make`` returns the subject; the variants of ``held_out`` are never trained on."""

    make: Make
    train: tuple[str, ...]
    held_out: tuple[str, ...]


KINDS: dict[str, Kind | SeeThroughKind] = {
    "comb": Kind(lattices.comb, ("straight", "tapered", "brush", "fork"), ("double", "arched")),
    "sieve": Kind(lattices.sieve, ("sieve", "cup", "grater"), ("racket", "colander")),
    "net": Kind(lattices.net, ("fishing", "fence", "trellis"), ("web", "hammock")),
    "basket": Kind(lattices.basket, ("woven", "crate"), ("cane",)),
    "wrapped": Kind(textiles.wrapped, ("fruit", "bundle"), ("catch",)),
    "lace": Kind(textiles.lace, ("rosettes", "eyelets", "crochet"), ("doily",)),
    "spring": Kind(wires.spring, ("helix", "slack", "cord"), ("cone",)),
    "wire": Kind(wires.wire, ("tangle", "wheel", "cage", "beads"), ("fan", "hanger")),
    "chair": Kind(wires.chair, ("spindles", "stool", "ladder", "tripod", "rack"), ("stand", "cot")),
    "feather": Kind(botany.feather, ("vane", "down", "fan"), ("plume",)),
    "dandelion": Kind(botany.dandelion, ("clock", "blown", "drifting"), ("thistle",)),
    "grass": Kind(botany.grass, ("blades", "meadow", "wheat"), ("reed",)),
    "twigs": Kind(botany.twigs, ("bare", "leafy", "blossom"), ("fir",)),
    "hair": Kind(hair.hair, ("straight", "curly", "wet", "backlit", "loose"), ("braid", "bob")),
    "fur": Kind(hair.fur, ("plush", "long", "wool"), ("tufts",)),
    "glass": SeeThroughKind(glass.glass, ("tumbler", "bottle", "wine", "mug", "pane", "lens"), ("jar", "vase")),
    "bulb": SeeThroughKind(glass.bulb, ("clear", "frosted", "globe"), ("candle",)),
    "jelly": SeeThroughKind(glass.jelly, ("medusa", "bubbles"), ("drop",)),
    "bag": SeeThroughKind(films.bag, ("empty", "filled"), ("wrap",)),
    "veil": SeeThroughKind(films.veil, ("hanging", "layered", "tulle"), ("bridal",)),
    "smoke": SeeThroughKind(films.smoke, ("plume", "haze", "steam"), ("ink",)),
}


def make(kind: str, variant: str, rng: Random, size: int = SIZE) -> Float32:
    """One subject of a kind: size x size x 4 premultiplied RGBA, or x 8 where light passes it (see
    ``SeeThrough``)."""
    entry = KINDS[kind]
    if isinstance(entry, SeeThroughKind):
        return np.clip(entry.make(rng, size, variant).layers(), -size, 60)
    sheet = Sheet(rng, size)
    entry.draw(sheet, variant)
    return sheet.finish()


def training_subject(number: int, size: int = SIZE) -> tuple[str, Float32]:
    """The kind and the pixels of training subject ``number``; consecutive numbers go through all kinds."""
    names = list(KINDS)
    kind = names[number % len(names)]
    rng = np.random.default_rng([4, number])
    variants = KINDS[kind].train
    return kind, make(kind, variants[int(rng.integers(len(variants)))], rng, size)


def held_out_subject(kind: str, number: int, size: int = SIZE) -> Float32:
    """Subject ``number`` of a kind in the benchmark: the held-out variants first, then variants of training with
    seeds that training never uses."""
    entry = KINDS[kind]
    variants = (*entry.held_out, *entry.train[: max(1, 3 - len(entry.held_out))])
    return make(kind, variants[number % len(variants)], np.random.default_rng([5, number, *kind.encode()]), size)
