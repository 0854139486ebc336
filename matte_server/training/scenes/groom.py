"""Grows hair: guide strands are simulated under gravity and collision, and the others follow the guides near them.

This is the usual groom of hair systems: a few hundred guides are simulated, every strand follows its nearest
guides, and clumping, curls, frizz and flyaways are added. Everything is in posed world space, in metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .obj import Points
from .styles import HairStyle
from .surface import unit

# Moves points out of the body: (positions (N, 3), margin in metres) -> positions (N, 3).
PushOut = Callable[[Points, float], Points]


@dataclass(frozen=True)
class Scalp:
    """Where strands start: ``roots`` and unit ``normals`` (N, 3); ``places`` (N, 3) are the roots in the head's
    own frame about its centre (x its left, -y its face, z its crown), metres; ``turn`` (3, 3) head to world."""

    roots: Points
    normals: Points
    places: Points
    turn: Points


@dataclass(frozen=True)
class Strands:
    """``points`` (N, K, 3) metres and ``radii`` (N, K) metres."""

    points: Points
    radii: Points

    def __len__(self) -> int:
        return len(self.points)


def grow(
    rng: np.random.Generator, scalp: Scalp, style: HairStyle, push_out: PushOut, wind: Points, fast: bool = False
) -> Strands:
    """Hair of ``style`` on ``scalp``. ``wind`` is added to gravity (1 is gravity's strength)."""
    count, steps = len(scalp.roots), style.steps
    guides = _guide_indices(rng, count, 150 if fast else 380)
    lengths = _lengths(rng, scalp, style)
    loose = rng.random(count) < style.wisps
    paths = _simulate(rng, scalp, style, lengths, guides, push_out, wind)
    nearest, share = _neighbours(scalp.places, guides, style.parting)
    follow = paths - paths[:, :1]
    flow = np.einsum("nj,njkc->nkc", share, follow[nearest])
    ratio = lengths / np.maximum((share * lengths[guides][nearest]).sum(axis=1), 1e-6)
    along = np.linspace(0, 1, steps)
    flow = _resample(flow, ratio.clip(0.2, 1.0))
    points = scalp.roots[:, None] + flow
    clump = style.clump * along**1.5 * rng.uniform(0.4, 1.0, count)[:, None]
    points += clump[..., None] * (paths[nearest[:, 0]] - points)
    points = _detail(rng, points, style, lengths, nearest[:, 0], loose, scalp)
    radii = style.radius * rng.uniform(0.7, 1.3, count)[:, None] * np.interp(along, (0, 0.6, 1), (1, 0.85, 0.25))
    radii[loose] *= 0.7
    return Strands(points=points, radii=radii)


def _guide_indices(rng: np.random.Generator, count: int, wanted: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.sort(rng.choice(count, size=min(wanted, count), replace=False)).astype(np.int64)


def _lengths(rng: np.random.Generator, scalp: Scalp, style: HairStyle) -> Points:
    """Each strand's length: top, side and back blended by where its root lies."""
    direction = unit(scalp.places)
    top = np.clip((direction[:, 2] - 0.35) / 0.4, 0, 1)
    back = np.clip((direction[:, 1] + 0.1) / 0.6, 0, 1)
    low = (1 - back) * style.length_side + back * style.length_back
    length = top * style.length_top + (1 - top) * low
    return length * rng.uniform(1 - style.raggedness, 1 + 0.3 * style.raggedness, len(length))


def _simulate(
    rng: np.random.Generator,
    scalp: Scalp,
    style: HairStyle,
    lengths: Points,
    guides: np.ndarray[tuple[int], np.dtype[np.int64]],
    push_out: PushOut,
    wind: Points,
) -> Points:
    """(G, K, 3) guide curves."""
    roots, normals, places = scalp.roots[guides], scalp.normals[guides], scalp.places[guides]
    steps = style.steps
    path = np.zeros((len(guides), steps, 3))
    path[:, 0] = roots
    gathered = 0
    if style.gather != "none":
        gathered = int(steps * 0.4)
        path[:, : gathered + 1] = _gather(rng, scalp, style, guides, gathered, push_out)
    step = (lengths[guides] / (steps - 1))[:, None]
    comb = unit(_comb(places, style) @ scalp.turn.T)
    heading = unit(normals * style.lift + comb * (1 - style.lift) + rng.normal(0, 0.12, comb.shape) * style.mess)
    if gathered:
        away = scalp.turn @ unit(np.array([0.0, 1.0, style.tail_rise]))
        heading = unit(away + rng.normal(0, 0.16, comb.shape))
        step = np.full_like(step, style.tail_length / (steps - 1 - gathered))
    down = np.array([0.0, 0.0, -1.0]) + wind
    sway = rng.normal(0, 1, (len(guides), 3)) * style.mess
    margin = 0.002 + 0.012 * rng.random() * style.volume + 0.01 * style.volume
    for k in range(gathered, steps - 1):
        age = (k - gathered) / steps
        pull = style.gravity * (0.25 + 1.5 * age)
        heading = unit(heading * style.stiffness + pull * down + 0.12 * sway * np.sin(3 + 5 * age))
        target = push_out(path[:, k] + heading * step, margin * min(1.0, 0.3 + 3 * age))
        heading = unit(target - path[:, k])
        path[:, k + 1] = path[:, k] + heading * step
    if style.gather == "bun":
        path[:, gathered:] = _coil(rng, path[:, gathered], scalp, steps - gathered)
    return path


def _comb(places: Points, style: HairStyle) -> Points:
    """(N, 3) combing direction in the head's frame, tangential to the head."""
    crown = np.array([0.0, 0.045, 0.075])
    outward = unit(places)
    across = np.where(places[:, 0] > style.part_x, 1.0, -1.0)
    fields = {
        "radial": places - crown,
        "back": np.tile([0.0, 1.0, 0.15], (len(places), 1)),
        "forward": np.tile([0.1, -1.0, -0.1], (len(places), 1)),
        "part": np.stack([across, np.full(len(places), 0.15), np.full(len(places), -0.4)], 1),
        "sweep": np.tile([1.0, -0.25, -0.2], (len(places), 1)),
    }
    field = unit(fields[style.comb])
    return unit(field - outward * (field * outward).sum(axis=1, keepdims=True))


def _gather(
    rng: np.random.Generator,
    scalp: Scalp,
    style: HairStyle,
    guides: np.ndarray[tuple[int], np.dtype[np.int64]],
    steps: int,
    push_out: PushOut,
) -> Points:
    """(G, steps + 1, 3): strands lying on the head towards where they are tied."""
    centre = (scalp.roots - scalp.places @ scalp.turn.T).mean(axis=0)
    tie = np.array([0.0, 0.125, style.tie_height])
    places = scalp.places[guides]
    tied = tie + rng.normal(0, 0.006, places.shape)
    t = np.linspace(0, 1, steps + 1)[None, :, None]
    way = unit(unit(places)[:, None] * (1 - t) + unit(tied)[:, None] * t)
    near, far = (np.linalg.norm(ends, axis=1)[:, None, None] for ends in (places, tied))
    radius = near * (1 - t) + far * t
    path = centre + (way * radius) @ scalp.turn.T
    layer = 0.002 + 0.012 * style.volume * rng.random()
    for k in range(1, steps + 1):
        path[:, k] = push_out(path[:, k], layer * np.sin(np.pi * k / (steps + 1)) + 0.002)
    path[:, 0] = scalp.roots[guides]
    return np.asarray(path)


def _coil(rng: np.random.Generator, tied: Points, scalp: Scalp, steps: int) -> Points:
    """(G, steps, 3): each strand winds round a bun that sits at the tie."""
    count = len(tied)
    middle = tied.mean(axis=0) + scalp.turn @ np.array([0.0, 0.024, 0.006])
    start, turns = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.7, 1.6, count)
    minor, wide = rng.uniform(0, 2 * np.pi, count), 0.017 * np.sqrt(rng.random(count))
    s = np.linspace(0, 1, steps)
    around = start[:, None] + 2 * np.pi * turns[:, None] * s
    tilt = minor[:, None] + 2.0 * s
    ring = 0.022 + wide[:, None] * np.cos(tilt)
    local = np.stack([ring * np.cos(around), wide[:, None] * np.sin(tilt), ring * np.sin(around)], -1)
    coil = middle + local @ scalp.turn.T
    blend = np.clip(s * 4, 0, 1)[None, :, None]
    return np.asarray(tied[:, None] * (1 - blend) + coil * blend)


def _neighbours(
    places: Points, guides: np.ndarray[tuple[int], np.dtype[np.int64]], parting: bool
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int64]], Points]:
    """The three guides nearest each root (indices into ``guides``), and their shares."""
    base = places[guides]
    distance = (places**2).sum(1)[:, None] + (base**2).sum(1)[None] - 2 * places @ base.T
    if parting:  # strands on one side of the parting never follow guides of the other
        distance = distance + np.where(np.sign(places[:, :1]) != np.sign(base[:, 0])[None], 1.0, 0.0)
    wanted = min(3, len(guides))
    nearest = np.argpartition(distance, wanted - 1, axis=1)[:, :wanted]
    close = np.take_along_axis(distance, nearest, axis=1).clip(1e-8)
    order = np.argsort(close, axis=1)
    nearest, close = np.take_along_axis(nearest, order, 1), np.take_along_axis(close, order, 1)
    share = 1 / close
    return nearest.astype(np.int64), share / share.sum(axis=1, keepdims=True)


def _resample(flow: Points, ratio: Points) -> Points:
    """Cut every curve (N, K, 3) to ``ratio`` of its length, keeping K points."""
    count, steps = flow.shape[:2]
    where = np.linspace(0, 1, steps)[None] * ratio[:, None] * (steps - 1)
    low = np.minimum(where.astype(np.int64), steps - 2)
    t = (where - low)[..., None]
    rows = np.arange(count)[:, None]
    return np.asarray(flow[rows, low] * (1 - t) + flow[rows, low + 1] * t)


def _detail(
    rng: np.random.Generator,
    points: Points,
    style: HairStyle,
    lengths: Points,
    guide: np.ndarray[tuple[int], np.dtype[np.int64]],
    loose: np.ndarray[tuple[int], np.dtype[np.bool_]],
    scalp: Scalp,
) -> Points:
    """Adds curls, frizz and flyaways to strands (N, K, 3) that follow the flow. ``guide`` is the nearest guide of
    each strand; ``loose`` strands always fly away."""
    count, steps = points.shape[:2]
    along = np.linspace(0, 1, steps)
    free = np.clip(along * 6, 0, 1)[None, :, None]
    ahead = unit(np.gradient(points, axis=1))
    side = unit(np.cross(ahead, rng.normal(0, 1, (count, 1, 3)) * 0.1 + [0.3, 0.5, 0.8]))
    if style.curl_radius > 0:
        points = points + _curls(rng, style, lengths, guide, side, np.cross(ahead, side), free)
    if style.frizz > 0:
        points = points + _frizz(rng, style, lengths, free)
    flying = (rng.random(count) < style.flyaways) | loose
    if flying.any():
        points[flying] += _flyaways(rng, style, scalp.normals[flying], along)
    return points


def _curls(
    rng: np.random.Generator,
    style: HairStyle,
    lengths: Points,
    guide: np.ndarray[tuple[int], np.dtype[np.int64]],
    side: Points,
    up: Points,
    free: Points,
) -> Points:
    """(N, K, 3) offsets that wind each strand round its flow; ``side`` and ``up`` are unit vectors across it, and
    ``free`` rises from 0 at the root to 1."""
    count, steps = side.shape[:2]
    # Strands of one guide share most of the phase, so that they form ringlets rather than fog.
    phase = rng.uniform(0, 2 * np.pi, guide.max() + 1)[guide] + rng.normal(0, style.curl_chaos, count)
    turns = style.curl_turns * lengths * rng.uniform(0.8, 1.2, count)
    angle = phase[:, None] + 2 * np.pi * turns[:, None] * np.linspace(0, 1, steps)
    radius = style.curl_radius * rng.uniform(0.6, 1.3, (count, 1))
    start = np.cos(phase)[:, None, None] * side + np.sin(phase)[:, None, None] * up
    helix = np.cos(angle)[..., None] * side + np.sin(angle)[..., None] * up - start * (1 - free)
    return np.asarray(radius[..., None] * helix * free)


def _frizz(rng: np.random.Generator, style: HairStyle, lengths: Points, free: Points) -> Points:
    """(N, K, 3) offsets: a random walk along each strand; ``free`` rises from 0 at the root to 1."""
    steps = free.shape[1]
    walk = np.cumsum(rng.normal(0, 1, (len(lengths), steps, 3)), axis=1)
    walk -= walk[:, :1]
    reach = (lengths[:, None, None] / 0.15).clip(0.2, 1.5)
    return np.asarray(style.frizz * walk * free / np.sqrt(steps) * reach)


def _flyaways(rng: np.random.Generator, style: HairStyle, normals: Points, along: Points) -> Points:
    """(N, K, 3) offsets that lift strands off the scalp with these ``normals``; ``along`` is 0 at the root and 1 at
    the tip."""
    number = len(normals)
    push = unit(normals + rng.normal(0, 0.7, (number, 3)))
    reach = style.flyaway_reach * rng.gamma(1.6, 0.6, number)
    bend = along**1.3
    waves = np.sin(along * rng.uniform(2, 9, (number, 1)) + rng.uniform(0, 6, (number, 1)))
    wander = unit(rng.normal(0, 1, (number, 3)))
    offset = push[:, None] * bend[None, :, None] + 0.4 * wander[:, None] * (waves * along)[..., None]
    return np.asarray(reach[:, None, None] * offset)
