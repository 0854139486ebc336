"""Draws a head of hair over a rendered body: thin lit strands with exact coverage, in scene-linear light.

Strands are drawn without anti-aliasing on a grid of 8 x 8 points per pixel and averaged, so that alpha is true
coverage. Light: Kajiya and Kay's strand model (1989), shadowed by the hair's own density towards each light.
Axes: metres, z up, the camera looks along +y and is level.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ...core.image import Float32

Indices = npt.NDArray[np.int32]

FINE = 8
_CELL_M = 0.006
# Metres: the width a strand has for shadows, less than its own as hair lets light through and passes it on.
_THICKNESS = 0.00007
_REACH_M = 0.2
"""How far hair throws its shadow on hair."""
_SHIFT = 4


@dataclass(frozen=True)
class PinholeCamera:
    """A level pinhole: ``place`` (3,) metres; ``focal_px`` pixels; picture of ``width`` x ``height``."""

    place: Float32
    focal_px: float
    width: int
    height: int

    def project(self, points: Float32) -> tuple[Float32, Float32]:
        """Pixel positions (..., 2), centres at whole numbers, and depths (...) in metres."""
        local = points - self.place
        depth = local[..., 1]
        x = self.width / 2 - 0.5 + self.focal_px * local[..., 0] / depth
        y = self.height / 2 - 0.5 - self.focal_px * local[..., 2] / depth
        return np.stack([x, y], -1).astype(np.float32), np.asarray(depth, np.float32)


@dataclass(frozen=True)
class Light:
    """Light from ``direction`` (3,), towards the light, of scene-linear ``colour`` (3,)."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class HairLook:
    """``root`` and ``tip`` reflectances, scene-linear; ``shine`` of the highlight; ``spread`` of strands' tone."""

    root: tuple[float, float, float]
    tip: tuple[float, float, float]
    shine: float = 0.35
    spread: float = 0.35


def shade(strands: Float32, look: HairLook, lights: tuple[Light, ...], view: Float32, seed: int) -> Float32:
    """Light that each piece of the strands (N, K, 3) sends to the camera at ``view``: N x K-1 x 3."""
    chance = np.random.default_rng(seed)
    middles = np.asarray((strands[:, 1:] + strands[:, :-1]) / 2, np.float32)
    tangents = _unit(strands[:, 1:] - strands[:, :-1])
    along = np.linspace(0, 1, middles.shape[1], dtype=np.float32)[None, :, None]
    base = np.array(look.root, np.float32) * (1 - along) + np.array(look.tip, np.float32) * along
    tone = np.exp(chance.normal(0, look.spread, (len(strands), 1, 1))).astype(np.float32)
    towards = _unit(np.asarray(view - middles, np.float32))
    grid = _Density(strands)
    out = np.zeros(middles.shape, np.float32)
    for light in lights:
        to_light = _unit(np.array(light.direction, np.float32))
        reaching = grid.passing(middles, to_light)[..., None] * np.array(light.colour, np.float32)
        along_light = tangents @ to_light
        along_view = (tangents * towards).sum(-1)
        across = np.sqrt(np.clip(1 - along_light**2, 0, 1))
        mirrored = across * np.sqrt(np.clip(1 - along_view**2, 0, 1)) - along_light * along_view
        highlight = look.shine * np.clip(mirrored, 0, 1) ** 40
        out += reaching * (base * tone * across[..., None] + highlight[..., None] * (0.25 + tone * base))
    return out


class _Density:
    """How much hair there is in each cell of a grid, for shadows."""

    def __init__(self, strands: Float32) -> None:
        points = strands.reshape(-1, 3)
        self._low = points.min(0) - _CELL_M
        shape = np.ceil((points.max(0) + _CELL_M - self._low) / _CELL_M).astype(int) + 1
        step = np.linalg.norm(strands[:, 1:] - strands[:, :-1], axis=-1).mean()
        cells = ((points - self._low) / _CELL_M).astype(int)
        grid = np.zeros(shape, np.float32)
        np.add.at(grid, tuple(cells.T), step * _THICKNESS / _CELL_M**2)
        self._grid = cv2.blur(grid.reshape(shape[0], -1), (1, 3)).reshape(shape)

    def passing(self, points: Float32, to_light: Float32) -> Float32:
        """The part of light from ``to_light`` that reaches ``points`` (..., 3)."""
        total = np.zeros(points.shape[:-1], np.float32)
        top = np.array(self._grid.shape) - 1
        for step in np.arange(1.0, _REACH_M / _CELL_M):
            cells = ((points + to_light * step * _CELL_M - self._low) / _CELL_M).astype(int)
            inside = ((cells >= 0) & (cells <= top)).all(-1)
            cells = np.clip(cells, 0, top)
            total += self._grid[cells[..., 0], cells[..., 1], cells[..., 2]] * inside
        return np.exp(-total)


def draw(
    strands: Float32, light: Float32, camera: PinholeCamera, hidden_beyond: Float32
) -> tuple[Float32, Float32]:
    """The hair in front of and behind a body: two premultiplied R, G, B, A pictures, height x width x 4.

    ``light`` is N x K-1 x 3 from :func:`shade`; ``hidden_beyond`` the body's depth in metres per pixel.
    """
    pixels, depth = camera.project(strands)
    near = (depth[:, 1:] + depth[:, :-1]) / 2
    where = np.rint((pixels[:, 1:] + pixels[:, :-1]) / 2).astype(int)
    x, y = np.clip(where[..., 0], 0, camera.width - 1), np.clip(where[..., 1], 0, camera.height - 1)
    behind = near > hidden_beyond[y, x]
    ends = (((pixels + 0.5) * FINE - 0.5) * (1 << _SHIFT)).round().astype(np.int32)
    order = np.argsort(-near, axis=None)
    colours = light.reshape(-1, 3)
    front = _layer(ends, order[~behind.ravel()[order]], colours, camera)
    back = _layer(ends, order[behind.ravel()[order]], colours, camera)
    return front, back


def _layer(ends: Indices, order: npt.NDArray[np.intp], colours: Float32, camera: PinholeCamera) -> Float32:
    """Pieces drawn far to near into a picture of their numbers, then coloured and averaged."""
    canvas = np.zeros((camera.height * FINE, camera.width * FINE), np.int32)
    starts = np.ascontiguousarray(ends[:, :-1].reshape(-1, 2)).tolist()
    stops = np.ascontiguousarray(ends[:, 1:].reshape(-1, 2)).tolist()
    for piece in order.tolist():
        cv2.line(canvas, starts[piece], stops[piece], piece + 1, 1, cv2.LINE_8, _SHIFT)
    table = np.concatenate([np.zeros((1, 4)), np.column_stack([colours, np.ones(len(colours))])]).astype(np.float32)
    out = np.empty((camera.height, camera.width, 4), np.float32)
    for top in range(0, camera.height, 64):
        rows = canvas[top * FINE : (top + 64) * FINE]
        count = rows.shape[0] // FINE
        out[top : top + count] = table[rows].reshape(count, FINE, camera.width, FINE, 4).mean((1, 3))
    return out


def assemble(body: Float32, front: Float32, back: Float32) -> Float32:
    """Back hair, body, front hair, each over the one before: premultiplied R, G, B, A."""
    below = body + (1.0 - body[..., 3:]) * back
    return np.asarray(front + (1.0 - front[..., 3:]) * below, np.float32)


def _unit(vectors: Float32) -> Float32:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)
