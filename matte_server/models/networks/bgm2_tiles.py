"""Where V2's refiner works, and how its input is gathered and its output put back.

A patch is 4 x 4 pixels of the frame. Computed alone it reads 8 x 8 pixels around itself and 8 x 8 of the half-size
picture, so that neighbouring patches compute most of their values several times. Patches are therefore joined
into square tiles of 1, 2, 4 ... patches a side, wherever a tile costs less than its chosen patches would alone.
Only chosen patches are written, so that the tiling changes nothing but the order of float32 sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

PATCH = 4
"""Pixels of a refined patch either way."""
RESULTS = 4
"""The last of the coarse channels: alpha and the foreground's residual."""
_SIDES = (1, 2, 4, 8)
_CHUNK = 1 << 15
"""Half-size pixels computed at once: what they need stays in the processor's cache."""
_BAND = 64
"""Rows of the frame finished at once."""


@dataclass(frozen=True)
class Reach:
    """How far the refiner reads beyond a patch: pixels of the half-size picture, and of the full one."""

    half: int
    full: int

    def cost(self, side: int) -> float:
        """Multiplications for a tile of ``side`` patches, in thousands."""
        taps = 9 if self.half else 1
        shrink = 2 if self.half else 0
        first, second, third = (
            2 * side + 2 * self.half - shrink,
            2 * side + 2 * self.half - 2 * shrink,
            4 * side + 2 * self.full - shrink,
        )
        last = 4 * side
        return taps * (42 * 24 * first**2 + 24 * 16 * second**2 + 22 * 12 * third**2 + 12 * 4 * last**2) / 1e3


@dataclass(frozen=True, eq=False)
class Tiles:
    """Some tiles of one size. ``rows``, ``columns``: N, in tiles; ``chosen``: N x side x side, bool, which of their
    patches are written."""

    side: int
    rows: Tensor
    columns: Tensor
    chosen: Tensor

    def __len__(self) -> int:
        return len(self.rows)


def tiles_of(chosen: Tensor, reach: Reach) -> Iterator[Tiles]:
    """Tiles that cover the ``chosen`` patches (rows x columns, bool) at the least cost, in portions of bounded
    size."""
    most = _SIDES[-1]
    rows, columns = chosen.shape
    mask = nnf.pad(chosen, (0, -columns % most, 0, -rows % most))
    for side, places in zip(_SIDES, _cheapest(mask, reach), strict=True):
        blocks = mask.view(mask.shape[0] // side, side, mask.shape[1] // side, side).transpose(1, 2)
        at_once = max(1, _CHUNK // (2 * side + 2 * reach.half) ** 2)
        for row, column in zip(*(torch.split(found, at_once) for found in places), strict=True):
            if len(row):
                yield Tiles(side=side, rows=row, columns=column, chosen=blocks[row, column])


def _cheapest(mask: Tensor, reach: Reach) -> list[tuple[Tensor, Tensor]]:
    """Rows and columns of the tiles to compute, for each of the sizes."""
    cost = mask.to(torch.float32)[None, None] * reach.cost(1)
    joined = [cost > 0]
    for side in _SIDES[1:]:
        apart = nnf.avg_pool2d(cost, 2) * 4
        joined.append(apart > reach.cost(side))
        cost = apart.clamp(max=reach.cost(side))
    taken = torch.zeros_like(joined[-1])
    places: list[tuple[Tensor, Tensor]] = []
    for found in reversed(joined):
        if found.shape != taken.shape:
            taken = taken.repeat_interleave(2, -1).repeat_interleave(2, -2)
        row, column = torch.nonzero((found & ~taken)[0, 0], as_tuple=True)
        places.append((row, column))
        taken = taken | found
    return places[::-1]


class TiledFrame:
    """One frame as the refiner reads it: plate and clean plate 1 x 3 x H x W, ``coarse`` 1 x 36 x h x w (32 hidden
    channels, alpha, residual)."""

    def __init__(self, src: Tensor, bgr: Tensor, coarse: Tensor) -> None:
        self._pictures = (src[0], bgr[0])
        self._size = (int(src.shape[-2]), int(src.shape[-1]))
        self._coarse = coarse
        self._table = coarse[0].permute(1, 2, 0).contiguous().flatten(0, 1)

    def upsampled(self) -> Tensor:
        """Alpha and foreground (0..1) from the coarse outputs alone: 1 x 4 x H x W."""
        (height, width), low = self._size, self._coarse.shape[-2]
        canvas = torch.empty((1, 4, height, width), device=self._coarse.device)
        wide = nnf.interpolate(self._coarse[:, -RESULTS:].contiguous(), (low, width), mode="bilinear")
        wide = wide[0].transpose(0, 1).flatten(1)
        # Across first, because that is little; then down, as a product of matrices a band of rows at a time, so
        # that each band is finished while the processor's cache holds it.
        for top in range(0, height, _BAND):
            target = canvas[0, :, top : top + _BAND]
            first, matrix = _growing(top, target.shape[1], height, low, wide.device)
            with torch.autocast(wide.device.type, enabled=False):
                band = (matrix @ wide[first : first + matrix.shape[1]]).view(-1, 4, width).transpose(0, 1)
            torch.clamp(band[:1], 0.0, 1.0, out=target[:1])
            torch.add(band[1:], self._pictures[0][:, top : top + _BAND], out=target[1:]).clamp_(0.0, 1.0)
        return canvas

    def pictures(self, tiles: Tiles, reach: Reach) -> Tensor:
        """Plate and clean plate around each tile, zero outside the frame: N x 6 x S x S with S = 4 (side +
        reach.half)."""
        size = PATCH * tiles.side + 4 * reach.half
        y, inside_y = _span(tiles.rows * PATCH * tiles.side - 2 * reach.half, size, self._size[0])
        x, inside_x = _span(tiles.columns * PATCH * tiles.side - 2 * reach.half, size, self._size[1])
        at = (slice(None), y[:, :, None], x[:, None, :])
        found = torch.cat([picture[at] for picture in self._pictures])
        outside = ~(inside_y.all(1) & inside_x.all(1))
        if bool(outside.any()):
            found[:, outside] *= (inside_y[outside][:, :, None] & inside_x[outside][:, None, :]).to(found.dtype)
        return found.transpose(0, 1)

    def half_tiles(self, tiles: Tiles, reach: Reach, pictures: Tensor) -> Tensor:
        """What the refiner's first convolution reads: N x 42 x S x S, channels last."""
        size = 2 * tiles.side + 2 * reach.half
        half = (self._size[0] // 2, self._size[1] // 2)
        low = self._coarse.shape[-2:]
        y, weight_y = _taps(tiles.rows * 2 * tiles.side - reach.half, size, half[0], low[0])
        x, weight_x = _taps(tiles.columns * 2 * tiles.side - reach.half, size, half[1], low[1])
        index = y[:, :, None, :, None] * low[1] + x[:, None, :, None, :]
        weight = weight_y[:, :, None, :, None] * weight_x[:, None, :, None, :]
        grown = _mixed(self._table, index.flatten(3).view(-1, 4), weight.flatten(3).view(-1, 4))
        grown = grown.view(len(tiles), size, size, -1)
        shrunk = nnf.avg_pool2d(pictures, 2).permute(0, 2, 3, 1)
        return torch.cat([grown, shrunk], -1).permute(0, 3, 1, 2)

    def full_tiles(self, reach: Reach, pictures: Tensor) -> Tensor:
        """What its third convolution reads of the pictures: N x 6 x S x S."""
        edge = 2 * reach.half - reach.full
        size = pictures.shape[-1]
        return pictures[..., edge : size - edge, edge : size - edge]

    def put(self, canvas: Tensor, tiles: Tiles, refined: Tensor) -> None:
        """Writes the chosen patches of ``refined`` (N x 4 x S x S: alpha, residual) into :meth:`upsampled`'s
        canvas."""
        side = tiles.side
        tile, row, column = torch.nonzero(tiles.chosen, as_tuple=True)
        patches = refined.view(-1, 4, side, PATCH, side, PATCH).permute(0, 2, 4, 3, 5, 1)
        values = patches[tile, row, column]
        rows, columns = tiles.rows[tile] * side + row, tiles.columns[tile] * side + column
        values[..., 1:] += _patches(self._pictures[0])[rows, columns]
        _patches(canvas[0])[rows, columns] = values.clamp_(0.0, 1.0)


def _patches(picture: Tensor) -> Tensor:
    """A view of C x H x W as H/4 x W/4 x 4 x 4 x C."""
    channels, height, width = picture.shape
    return picture.view(channels, height // PATCH, PATCH, width // PATCH, PATCH).permute(1, 3, 2, 4, 0)


def _span(starts: Tensor, size: int, limit: int) -> tuple[Tensor, Tensor]:
    """``size`` places from each start, held inside 0..limit-1, and which of them lie inside."""
    places = starts[:, None] + torch.arange(size, device=starts.device)
    held = places.clamp(0, limit - 1)
    return held, places == held


def _taps(starts: Tensor, size: int, limit: int, low: int) -> tuple[Tensor, Tensor]:
    """Bilinear upsampling along one axis, from ``low`` to ``limit`` places: the two coarse places and their weights
    for ``size`` places from each start; weights zero outside. N x size x 2 each."""
    places, inside = _span(starts, size, limit)
    exact = ((places + 0.5) * (low / limit) - 0.5).clamp(min=0.0)
    first = exact.floor()
    share = exact - first
    weight = torch.stack([1.0 - share, share], -1) * inside[..., None]
    index = torch.stack([first, (first + 1).clamp(max=low - 1)], -1).long()
    return index, weight


def _growing(top: int, size: int, limit: int, low: int, device: torch.device) -> tuple[int, Tensor]:
    """Bilinear upsampling as a matrix: ``size`` rows from ``top``, out of the coarse rows from the first result
    on."""
    index, weight = _taps(torch.tensor([top], device=device), size, limit, low)
    first, last = int(index[0, 0, 0]), int(index[0, -1, 1])
    matrix = torch.zeros((size, last + 1 - first), device=device)
    return first, matrix.scatter_add_(1, index[0] - first, weight[0])


def shrunk(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """``picture`` 1 x C x H x W at ``size`` by bilinear sampling; on a processor the four pixels that it reads are
    fetched and mixed, in a fraction of the library's time."""
    if picture.device.type != "cpu":
        return nnf.interpolate(picture, size, mode="bilinear")
    start = torch.zeros(1, dtype=torch.long)
    y, weight_y = _taps(start, size[0], size[0], picture.shape[-2])
    x, weight_x = _taps(start, size[1], size[1], picture.shape[-1])
    found = picture[0][:, y[0, :, None, :, None], x[0, None, :, None, :]]
    return (found * (weight_y[0, :, None, :, None] * weight_x[0, None, :, None, :])).sum((-2, -1))[None]


def _mixed(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of rows: M x C from the rows ``index`` (M x 4) of ``table`` (K x C), in one pass."""
    return nnf.embedding_bag(index, table, per_sample_weights=weight.to(table.dtype), mode="sum")
