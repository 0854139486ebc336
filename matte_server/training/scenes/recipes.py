"""What a seed means: every choice about a picture, made before Blender starts.

Training and held-out pictures draw from disjoint seeds, hair styles, clothes, poses, face targets and HDRIs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from .groomed import NodeGroom, node_groom
from .styles import HairStyle, Split, styles_of
from .targets import Build

Kind = Literal["person", "furniture", "plant", "animal", "groomed"]
Framing = Literal["full", "half", "bust", "head"]
Colour = tuple[float, float, float]

HELDOUT_HDRIS = ("hall", "sunrise", "potsdamer_platz_1k", "rooitou_park_1k", "st_fagans_interior_1k")
"""Panoramas that training never sees, neither as light nor as background, in the benchmark's order."""
_HELDOUT_POSES = ("standing04", "standing06", "sit01", "fight03")
_HELDOUT_CLOTHES = ("female_elegantsuit01", "male_worksuit01", "male_casualsuit05")
_FACE_FOLDERS = ("head", "nose", "mouth", "eyes", "chin", "cheek", "ears", "forehead", "neck")
_EXPRESSIONS = (
    "mouth-corner-puller", "mouth-open", "mouth-parling", "eyebrows-left-up", "eyebrows-right-up",
    "eyebrows-left-down", "eyebrows-right-down", "eye-left-slit", "eye-right-slit", "mouth-pursing",
)  # fmt: skip
# Scene-linear reflectances.
_SKINS: tuple[Colour, ...] = (
    (0.62, 0.38, 0.28), (0.55, 0.31, 0.21), (0.46, 0.25, 0.16), (0.35, 0.18, 0.11), (0.24, 0.12, 0.07),
    (0.13, 0.065, 0.04), (0.07, 0.035, 0.024), (0.66, 0.43, 0.34),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (0.012, 0.009, 0.008), (0.03, 0.018, 0.011), (0.065, 0.032, 0.016), (0.13, 0.062, 0.026), (0.3, 0.17, 0.075),
    (0.5, 0.34, 0.17), (0.62, 0.5, 0.33), (0.2, 0.045, 0.015), (0.35, 0.34, 0.33), (0.7, 0.69, 0.67),
)  # fmt: skip
_DYES: tuple[Colour, ...] = ((0.5, 0.03, 0.15), (0.03, 0.12, 0.5), (0.02, 0.3, 0.1), (0.3, 0.05, 0.45))
_IRISES: tuple[Colour, ...] = ((0.06, 0.03, 0.015), (0.12, 0.07, 0.03), (0.1, 0.2, 0.3), (0.08, 0.15, 0.08))


@dataclass(frozen=True)
class Cloth:
    """A garment and its procedural stuff; ``fuzz`` is metres of wool fibre standing off it, 0 for none."""

    garment: str
    colours: tuple[Colour, Colour]
    pattern: Literal["plain", "stripes", "checks", "dots", "noise"]
    scale: float
    roughness: float
    sheen: float
    fuzz: float


@dataclass(frozen=True)
class PersonRecipe:
    """One character: nothing here depends on the view."""

    build: Build
    details: dict[str, float]
    skin: Colour
    iris: Colour
    clothes: tuple[Cloth, ...]
    hair: HairStyle | None
    hair_colour: Colour
    beard: float
    brow: float
    glasses: Literal["none", "wire", "frame"]
    pose: str
    pose_share: float
    head_turn: tuple[float, float, float]
    waist_turn: float


@dataclass(frozen=True)
class View:
    """Camera and light. Angles in degrees; ``motion`` and ``defocus`` in pixels of blur, 0 for none."""

    framing: Framing
    azimuth: float
    elevation: float
    lens: float
    size: int
    hdri: str
    hdri_turn: float
    exposure: float
    key_light: float
    key_azimuth: float
    motion: float
    motion_angle: float
    defocus: float
    wind: tuple[float, float, float]
    samples: int


@dataclass(frozen=True)
class Recipe:
    """One picture: ``seed`` also feeds everything random that is made from it."""

    id: str
    split: Split
    kind: Kind
    seed: int
    person: PersonRecipe | None
    view: View
    hard: tuple[str, ...]
    sequence: str = ""
    frame: int = 0
    groom: NodeGroom | None = None


def recipe(split: Split, seed: int, index: int, makehuman: Path, hdri: Path) -> Recipe:
    """Picture ``index`` of the run ``seed``. The same arguments always give the same recipe."""
    number = seed * 1_000_000 + index * 2 + (1 if split == "heldout" else 0)
    rng = np.random.default_rng(number)
    kind = _kind(rng, split, index)
    person = _person(rng, split, index, makehuman) if kind == "person" else None
    view = _view(rng, split, kind, hdri, index)
    name = f"{split}-{kind}-{seed:03d}-{index:05d}"
    return Recipe(
        id=name, split=split, kind=kind, seed=number, person=person, view=view, hard=_hard(person, kind, view)
    )


def groomed(split: Split, seed: int, index: int, hdri: Path) -> Recipe:
    """Picture ``index`` of hair by Blender's nodes; close up half the time."""
    number = seed * 1_000_000 + 700_000 + index * 2 + (1 if split == "heldout" else 0)
    rng = np.random.default_rng(number)
    groom = node_groom(split, rng, _pick(rng, _HAIRS))
    view = _view(rng, split, "groomed", hdri, index)
    view = replace(view, framing="head" if index % 2 else "full", azimuth=float(rng.uniform(-180, 180)))
    return Recipe(
        id=f"{split}-groomed-{seed:03d}-{index:05d}",
        split=split,
        kind="groomed",
        seed=number,
        person=None,
        view=view,
        hard=(f"node hair, {groom.style}",),
        groom=groom,
    )


def sequence(seed: int, index: int, frames: int, makehuman: Path, hdri: Path) -> list[Recipe]:
    """A held-out shot: the subject turns its head and body, wind moves its hair."""
    base = recipe("heldout", seed, 500_000 // 2 + 3 * index, makehuman, hdri)
    rng = np.random.default_rng(base.seed + 7)
    person = base.person or _person(rng, "heldout", index, makehuman)
    speed, phase = rng.uniform(2.0, 5.0), rng.uniform(0, 6.28)
    out = []
    for k in range(frames):
        swing = np.sin(phase + 0.5 * k)
        turned = (person.head_turn[0] + speed * k, person.head_turn[1] + 2 * swing, person.head_turn[2])
        moved = replace(person, head_turn=turned, waist_turn=person.waist_turn + 0.6 * speed * k)
        view = replace(
            base.view, size=768, framing="bust", azimuth=base.view.azimuth + 0.5 * k, motion=0.0, defocus=0.0,
            wind=(0.35 * swing, 0.25 * np.cos(phase + 0.7 * k), 0.0), samples=48,
        )  # fmt: skip
        name = f"heldout-sequence-{seed:03d}-{index:02d}"
        out.append(
            Recipe(
                id=f"{name}-{k:03d}",
                split="heldout",
                kind="person",
                seed=base.seed,
                person=moved,
                view=view,
                hard=(*_hard(moved, "person", view), "moving hair"),
                sequence=name,
                frame=k,
            )
        )
    return out


def _kind(rng: np.random.Generator, split: Split, index: int) -> Kind:
    """Two thirds people; the others take turns, so that a short run already has each."""
    draw = rng.random()
    if index % 3 != 2:
        return "person"
    kinds: tuple[Kind, ...] = ("furniture", "animal", "plant")
    return kinds[(index // 3) % 3] if split == "heldout" else kinds[int(draw * 3)]


def _pick(rng: np.random.Generator, items: tuple[Colour, ...]) -> Colour:
    base = np.array(items[rng.integers(len(items))]) * rng.uniform(0.8, 1.2, 3)
    return (float(base[0]), float(base[1]), float(base[2]))


def _heldout_target(path: Path) -> bool:
    """One face target in six is kept from training; the name decides, so both sides of a face agree."""
    name = path.name.removeprefix("l-").removeprefix("r-")
    return sum(name.encode()) % 6 == 0


def _details(rng: np.random.Generator, split: Split, makehuman: Path) -> dict[str, float]:
    """Face targets with their weights; the left side's choice goes to the right as well."""
    root = makehuman / "targets"
    details: dict[str, float] = {}
    for folder in _FACE_FOLDERS:
        files = [
            p for p in sorted((root / folder).glob("*.target.gz"))
            if _heldout_target(p) == (split == "heldout") and not p.name.startswith("r-")
            and not p.name.startswith("measure")
        ]  # fmt: skip
        for path in rng.choice(np.array(files, object), size=min(3, len(files)), replace=False):
            weight = float(rng.beta(1.3, 2.2) * 0.8)
            details[f"{folder}/{path.name}"] = weight
            if path.name.startswith("l-"):
                details[f"{folder}/r-{path.name[2:]}"] = weight
    for name in rng.choice(np.array(_EXPRESSIONS), size=2, replace=False):
        details[f"expression/units/caucasian/{name}.target.gz"] = float(rng.uniform(0, 0.5))
    return details


def _cloth(rng: np.random.Generator, garment: str, shoe: bool = False) -> Cloth:
    colours = []
    for _ in range(2):
        value, tint = rng.uniform(0.02, 0.75) ** 1.5 + 0.015, rng.uniform(0.35, 1.0, 3)
        grey = rng.random() < 0.35
        colour = np.full(3, value) if grey else value * tint / tint.max()
        colours.append((float(colour[0]), float(colour[1]), float(colour[2])))
    patterns: tuple[Literal["plain", "stripes", "checks", "dots", "noise"], ...] = (
        "plain", "plain", "stripes", "checks", "dots", "noise",
    )  # fmt: skip
    pattern = "plain" if shoe else patterns[rng.integers(len(patterns))]
    fuzz = float(rng.uniform(0.002, 0.007)) if not shoe and rng.random() < 0.2 else 0.0
    return Cloth(
        garment=garment,
        colours=(colours[0], colours[1]),
        pattern=pattern,
        scale=float(rng.uniform(15, 120)),
        roughness=float(rng.uniform(0.35, 0.95)),
        sheen=float(rng.uniform(0, 0.5)),
        fuzz=fuzz,
    )


def _clothes(rng: np.random.Generator, split: Split, male: bool, makehuman: Path) -> tuple[Cloth, ...]:
    sex = "male" if male else "female"
    suits = sorted(p.stem for p in (makehuman / "clothes").glob(f"{sex}_*/*.mhclo"))
    suits = [s for s in suits if (s in _HELDOUT_CLOTHES) == (split == "heldout")]
    shoes = sorted(p.stem for p in (makehuman / "clothes").glob("shoes*/*.mhclo"))
    out = [_cloth(rng, suits[rng.integers(len(suits))]), _cloth(rng, shoes[rng.integers(len(shoes))], shoe=True)]
    if rng.random() < 0.06:
        out.append(_cloth(rng, "fedora_cocked" if split == "heldout" else "fedora", shoe=True))
    return tuple(out)


def _build(rng: np.random.Generator, male: bool) -> Build:
    ages = [rng.uniform(0.22, 0.4), rng.uniform(0.42, 0.65), rng.uniform(0.65, 1.0)]
    age = float(rng.choice(ages, p=[0.15, 0.6, 0.25]))
    races = rng.dirichlet((0.6, 0.6, 0.6))
    return Build(
        male=float(rng.uniform(0.8, 1.0) if male else rng.uniform(0, 0.15)),
        age=age,
        muscle=float(rng.beta(2, 2)),
        weight=float(rng.beta(2, 2)),
        races=(float(races[0]), float(races[1]), float(races[2])),
        ideal=float(rng.uniform(-0.4, 0.7)),
    )


def _pose(rng: np.random.Generator, split: Split, makehuman: Path) -> str:
    poses = sorted(p.stem for p in (makehuman / "poses").glob("*.bvh"))
    poses = [p for p in poses if (p in _HELDOUT_POSES) == (split == "heldout")]
    calm = [p for p in poses if p.startswith("standing")]
    return str(rng.choice(calm if calm and rng.random() < 0.6 else poses))


def _person(rng: np.random.Generator, split: Split, index: int, makehuman: Path) -> PersonRecipe:
    male = bool(rng.random() < 0.45)
    build = _build(rng, male)
    styles = [s for s in styles_of(split) if not (male and s.gather == "bun" and rng.random() < 0.7)]
    # The benchmark walks through its few styles; training draws.
    hair = styles[index % len(styles)] if split == "heldout" else styles[rng.integers(len(styles))]
    pose = _pose(rng, split, makehuman)
    return PersonRecipe(
        build=build,
        details=_details(rng, split, makehuman),
        skin=_pick(rng, _SKINS),
        iris=_pick(rng, _IRISES),
        clothes=_clothes(rng, split, male, makehuman),
        hair=hair if rng.random() > 0.03 else None,
        hair_colour=_pick(rng, _DYES) if rng.random() < 0.06 else _pick(rng, _HAIRS),
        beard=float(rng.choice([0.0, 0.004, 0.015, 0.05])) if male and build.age > 0.45 else 0.0,
        brow=float(rng.uniform(0.6, 1.3)),
        glasses=("wire", "frame", "none", "none", "none")[rng.integers(5)],
        pose=pose,
        pose_share=float(rng.uniform(0.75, 1.0)),
        head_turn=(float(rng.normal(0, 22)), float(rng.normal(0, 9)), float(rng.normal(0, 6))),
        waist_turn=float(rng.normal(0, 10)),
    )  # fmt: skip


def _view(rng: np.random.Generator, split: Split, kind: Kind, hdri: Path, index: int) -> View:
    names = sorted(p.stem for p in hdri.glob("*.hdr"))
    names = [n for n in names if (n in HELDOUT_HDRIS) == (split == "heldout")]
    framings: tuple[Framing, ...] = ("head", "bust", "half", "full", "bust", "half")
    framing = framings[(index - index // 3) % len(framings)] if kind == "person" else "full"
    azimuth = rng.normal(0, 40) if rng.random() < 0.75 else rng.uniform(-180, 180)
    blurred = rng.random()
    return View(
        framing=framing,
        azimuth=float(azimuth),
        elevation=float(rng.normal(4, 8)),
        lens=float(rng.choice([28, 35, 50, 85, 105])),
        size=1024 if split == "train" else 1280,
        hdri=names[rng.integers(len(names))],
        hdri_turn=float(rng.uniform(0, 360)),
        exposure=float(rng.normal(0, 0.5)),
        key_light=float(rng.choice([0.0, rng.uniform(0.5, 2.5)])),
        key_azimuth=float(rng.uniform(-180, 180)),
        motion=float(rng.uniform(4, 30)) if blurred < 0.15 else 0.0,
        motion_angle=float(rng.uniform(0, 180)),
        defocus=float(rng.uniform(1.5, 9)) if 0.1 < blurred < 0.27 else 0.0,
        wind=(float(rng.normal(0, 0.15)), float(rng.normal(0, 0.12)), 0.0),
        samples=24 if split == "train" else 96,
    )


def _hard(person: PersonRecipe | None, kind: Kind, view: View) -> tuple[str, ...]:
    """What makes this picture hard, for sorting the benchmark."""
    out = []
    if person is None:
        out.append({"furniture": "thin slats", "plant": "leaves", "animal": "fur"}.get(kind, kind))
    else:
        out.append(person.hair.hard if person.hair else "bald")
        out += ["beard"] if person.beard > 0.01 else []
        out += ["glasses"] if person.glasses != "none" else []
        out += ["fuzzy cloth"] if any(c.fuzz for c in person.clothes) else []
    out += ["motion blur"] if view.motion else []
    out += ["defocus"] if view.defocus else []
    return tuple(out)
