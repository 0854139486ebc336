"""Sets to stand in: perspective views into panoramas, procedural rooms, walls and foliage.

All pictures are height x width x 3 float32, scene-linear, about 0.2 in the mean; seeded generators.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .procedural import Float32, Random, colour, fractal_noise, rounded, smooth_noise, surface
from .scenes.recipes import HELDOUT_HDRIS


def panoramas(folder: Path, held_out: bool) -> list[Path]:
    """The ``*.hdr`` files in and below ``folder`` that belong to the benchmark, in its order, or those that do not,
    sorted by name: wherever they lie, the same files make the same pictures. Raises ``FileNotFoundError`` where one
    of the benchmark's is missing, as its pictures would be others."""
    found = {path.stem: path for path in folder.rglob("*.hdr")}
    if not held_out:
        return [found[name] for name in sorted(found) if name not in HELDOUT_HDRIS]
    missing = [f"{name}.hdr" for name in HELDOUT_HDRIS if name not in found]
    if missing:
        raise FileNotFoundError(f"the benchmark also needs {', '.join(missing)} in {folder}")
    return [found[name] for name in HELDOUT_HDRIS]


def load_panorama(path: Path) -> Float32:
    """An equirectangular HDR picture, R, G, B, scaled to a geometric mean of 0.2."""
    bgr = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if bgr is None:
        raise FileNotFoundError(f"no readable panorama at {path}")
    rgb = np.ascontiguousarray(bgr[..., ::-1], np.float32)
    return np.asarray(rgb * (0.2 / np.exp(np.log(rgb + 1e-3).mean())), np.float32)


def perspective(panorama: Float32, height: int, width: int, fov: float, yaw: float, pitch: float) -> Float32:
    """The view of a pinhole camera inside ``panorama``; angles in radians, ``fov`` across the width."""
    focal = 0.5 * width / np.tan(fov / 2)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    right, down = (x - width / 2 + 0.5) / focal, (y - height / 2 + 0.5) / focal
    forward = np.cos(pitch) + down * np.sin(pitch)
    below = down * np.cos(pitch) - np.sin(pitch)
    longitude = np.arctan2(right, forward) + yaw
    latitude = np.arctan2(below, np.hypot(right, forward))
    rows, columns = panorama.shape[:2]
    wrapped = np.concatenate([panorama, panorama[:, :4]], 1)
    map_x = np.mod(longitude / (2 * np.pi) + 0.5, 1.0) * columns
    map_y = np.clip((latitude / np.pi + 0.5) * rows - 0.5, 0, rows - 1)
    view = cv2.remap(wrapped, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_CUBIC)
    return np.maximum(np.asarray(view, np.float32), 0)


def panorama_view(rng: Random, panorama: Float32, height: int, width: int) -> Float32:
    """A random view; fine texture is laid over it, as the panoramas are soft at this size."""
    fov = rng.uniform(0.7, 1.9)
    view = perspective(panorama, height, width, fov, rng.uniform(0, 2 * np.pi), rng.normal(0, 0.25))
    view = view * (0.25 / (np.median(view) + 0.02)) ** 0.7
    if rng.random() < 0.6:
        detail = fractal_noise(rng, height, width, rng.uniform(30, 120), 4)
        view = view * np.exp(detail * rng.uniform(0.05, 0.5))
    if rng.random() < 0.5:
        soft = cv2.GaussianBlur(view, (0, 0), 1.5)
        view = np.maximum(soft + (view - soft) * rng.uniform(1.5, 4), 0)
    return np.asarray(np.minimum(view, 60.0), np.float32)


def room(rng: Random, height: int, width: int) -> Float32:
    """Two or three walls and a floor with pictures, shelves, a window and clutter."""
    picture = surface(rng, height, width) * 0.6 + 0.1
    corner, skirting = int(rng.uniform(0.1, 0.9) * width), int(rng.uniform(0.6, 0.95) * height)
    picture[:, corner:] *= rng.uniform(0.4, 0.9)
    picture[skirting:] = surface(rng, height - skirting, width)
    for _ in range(int(rng.integers(3, 40))):
        w, h = (int(v) for v in rng.uniform(0.01, 0.3, 2) * [width, height] + 2)
        x, y = int(rng.integers(-w // 2, width)), int(rng.integers(-h // 2, height))
        part = picture[max(0, y) : y + h, max(0, x) : x + w]
        if part.size:
            part[:] = surface(rng, *part.shape[:2]) * rng.choice(
                [0.5, 1.0, 1.0, rng.uniform(1, 12)], p=[0.4, 0.3, 0.25, 0.05]
            )
            if rng.random() < 0.5:
                cv2.rectangle(part, (0, 0), (part.shape[1] - 1, part.shape[0] - 1), colour(rng).tolist(), 2)
    for _ in range(int(rng.integers(0, 25))):
        ends = (rng.uniform(-0.1, 1.1, (2, 2)) * [width, height]).astype(int)
        cv2.line(
            picture, ends[0].tolist(), ends[1].tolist(), colour(rng).tolist(), int(rng.integers(1, 7)), cv2.LINE_AA
        )
    light = np.exp(rng.uniform(0.2, 1.0) * smooth_noise(rng, height, width, 2.5))
    return np.asarray(picture * light, np.float32)


def foliage(rng: Random, height: int, width: int) -> Float32:
    """Leaves over leaves, near ones larger; light and dark."""
    picture = surface(rng, height, width)
    green = colour(rng) * np.array([0.7, 1.2, 0.45], np.float32)
    for size in np.geomspace(0.02, 0.1, 5):
        for _ in range(int(rng.integers(20, 140))):
            middle = rng.uniform(0, 1, 2) * [width, height]
            leaf = rounded(rng, [0, 0], [size, size * rng.uniform(0.2, 0.8)], 0.1) * max(height, width)
            angle = rng.uniform(0, 2 * np.pi)
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            points = np.asarray(leaf @ turn + middle, np.int32).reshape(-1, 1, 2)
            cv2.fillPoly(picture, [points], (green * np.exp(rng.normal(0, 0.6))).tolist(), cv2.LINE_AA)
    return np.asarray(picture * np.exp(0.5 * smooth_noise(rng, height, width, 4)), np.float32)


def background(rng: Random, views: list[Float32], height: int, width: int) -> Float32:
    """A random set; ``views`` are loaded panoramas (where empty, only procedural sets are made)."""
    kind = rng.random()
    if views and kind < 0.45:
        picture = panorama_view(rng, views[int(rng.integers(len(views)))], height, width)
    elif kind < 0.75:
        picture = room(rng, height, width)
    elif kind < 0.85:
        picture = foliage(rng, height, width)
    elif kind < 0.95:
        picture = surface(rng, height, width)
    else:
        backdrop = np.broadcast_to(colour(rng), (height, width, 3))
        picture = np.asarray(backdrop * np.exp(0.3 * smooth_noise(rng, height, width, 2)), np.float32)
    if rng.random() < 0.45:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 6))), np.float32)
    return np.clip(picture, 0.0, 60.0)
