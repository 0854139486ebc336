"""Runs Cleanplate's own network over frames of any size.

The coarse stage sees the whole frame at a fixed working size. Every octave above it is refined in blocks, but only
in those where alpha is neither 0 nor 1 or the coarse stage expects an error. A block reads its own pixels and a
fixed halo, and the frame's edge is replicated. How many blocks are computed at once (``tile``) therefore changes
only the order of float32 sums: at most 1e-5 in alpha.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as nnf
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..core.image import Float32
from ..errors import MatteError
from ..pixels.coarse_grid import CoarseGrid
from .network_table import CLEANPLATE
from .networks.cleanplate import HALO, CleanplateNet, Coarse, decode, octaves_for
from .protocols import CancelCheck, FrameTensors, ModelSettings, ModelSpec, Prediction

SPEC = ModelSpec(
    name=CLEANPLATE,
    label="Cleanplate",
    summary="Our own network: sees the whole frame, refines hair at full resolution. Free for paid work.",
    licence="Apache-2.0",
    commercial_use=True,
    weights="packaged",
    packaged_file="data/cleanplate.safetensors",
)
BLOCK = 16
"""Cells of a refinement block either way; a cell is 2 x 2 pixels of the octave."""
LOWEST, HIGHEST = 0.01, 0.99
"""A block is refined where its largest alpha is above ``LOWEST`` and its smallest below ``HIGHEST``, ..."""
DOUBT = 0.12
"""... or where the coarse stage expects an error above this."""
_BLOCKS_AT_ONCE = {"cuda": 4096}
_BLOCKS_A_THREAD, _MOST_BLOCKS = 96, 768
"""Blocks at once on a CPU: with fewer, sleeping threads wake too often; a block takes a quarter of a megabyte."""


class CleanplateModel:
    """The network on one device as a :class:`protocols.MattingModel`."""

    spec = SPEC

    def __init__(self, net: CleanplateNet, device: torch.device) -> None:
        self._net = net.to(device).fold()
        self._device = device

    @classmethod
    def load(cls, weights: str, device: torch.device) -> CleanplateModel:
        """Load a safetensors file, or the packaged weights where ``weights`` is empty. Raises ``MatteError`` with
        the codes missing_weights and bad_weights."""
        return cls(load_network(weights), device)

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        """Alpha at full resolution. The foreground is the coarse stage's colour, an estimate for the foreground
        solve; the expected error is the coarse stage's."""
        height, width = frame.size
        octaves = octaves_for(height, width)
        plates = _pyramid(frame.plate, octaves)
        cleans = _pyramid(frame.clean_plate, octaves)
        check()
        dtype = settings.autocast
        with torch.autocast(self._device.type, dtype, enabled=dtype is not None):
            coarse = self._coarse(frame, plates[0], cleans[0], octaves)
            check()
            alpha = coarse.alpha
            at_once = self._blocks_at_once(settings)
            for octave in range(1, octaves + 1):
                alpha = self._refined(plates[octave], cleans[octave], alpha, coarse, octave, at_once, check)
        foreground, error, trust = (
            CoarseGrid(values=values, side=1 << octaves, size=frame.size)
            for values in (decode(coarse.context[:, :3]), coarse.doubt, 1.0 - coarse.doubt)
        )
        return Prediction(
            alpha=alpha[..., :height, :width].contiguous(),
            foreground=foreground,
            confidence=trust,
            expected_error=error,
        )

    def _coarse(self, frame: FrameTensors, plate: Tensor, clean: Tensor, octaves: int) -> Coarse:
        def guide(matte: Tensor | None) -> Tensor:
            if matte is None:
                return torch.zeros_like(plate[:, :1])
            return _averaged(_padded(matte, 1 << octaves), 1 << octaves)

        return self._net.two_passes(plate, clean, guide(frame.coverage), guide(frame.core), guide(frame.holdout))

    def _blocks_at_once(self, settings: ModelSettings) -> int:
        if settings.tile > 0:
            return max(1, settings.tile // (2 * BLOCK)) ** 2
        if self._device.type == "cpu":
            return min(_BLOCKS_A_THREAD * torch.get_num_threads(), _MOST_BLOCKS)
        return _BLOCKS_AT_ONCE.get(self._device.type, 256)

    def _refined(
        self,
        plate: Tensor,
        clean: Tensor,
        before: Tensor,
        coarse: Coarse,
        octave: int,
        at_once: int,
        check: CancelCheck,
    ) -> Tensor:
        """One octave: 1 x 1 x 2h x 2w from ``before`` 1 x 1 x h x w, refined in the chosen blocks."""
        rows, columns = torch.nonzero(_chosen(before, coarse.doubt, octave)[0, 0], as_tuple=True)
        height, width = before.shape[-2:]
        room = (2 * (height + -height % BLOCK), 2 * (width + -width % BLOCK))
        canvas = _doubled(before, room)
        doubled = canvas[..., : 2 * height, : 2 * width]
        found = []
        for start in range(0, len(rows), at_once):
            check()
            r, c = rows[start : start + at_once], columns[start : start + at_once]
            context = _context(coarse.context, r, c, 1 << (octave - 1))
            refined = self._net.refiner(*(_gather(picture, r, c) for picture in (plate, clean, doubled)), context)
            found.append(refined.clamp(0.0, 1.0))
        if found:
            # Only now: a block sees its neighbours as they were.
            blocks = canvas.view(room[0] // (2 * BLOCK), BLOCK, 2, room[1] // (2 * BLOCK), BLOCK, 2)
            refined = torch.cat(found).view(-1, 2, 2, BLOCK, BLOCK)
            blocks.permute(0, 3, 2, 5, 1, 4)[rows, columns] = refined
        return doubled


def load_network(weights: str) -> CleanplateNet:
    """The network with the weights of a safetensors file, or the packaged ones where ``weights`` is empty; on the
    CPU, in evaluation mode. Raises ``MatteError`` with the codes missing_weights and bad_weights."""
    if weights:
        return read_network(Path(weights))
    with as_file(files(__package__) / SPEC.packaged_file) as path:
        return read_network(path)


def read_network(path: Path) -> CleanplateNet:
    """The network with the weights of a safetensors file, on the CPU, in evaluation mode. Raises
    ``MatteError`` with the codes missing_weights and bad_weights."""
    if not path.is_file():
        raise MatteError("missing_weights", f"There are no weights at {path}.", "Leave the field empty.")
    net = CleanplateNet()
    try:
        missing, unexpected = net.load_state_dict(load_file(path), strict=False)
    except (SafetensorError, RuntimeError) as error:
        raise MatteError("bad_weights", f"{path.name} does not fit this network: {error}") from error
    lacking = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lacking or unexpected:
        wrong = ", ".join([*lacking, *unexpected][:3])
        raise MatteError("bad_weights", f"{path.name} does not fit this network: {wrong} ...")
    return net.eval()


def _on_processor(picture: Tensor) -> bool:
    return picture.device.type == "cpu"


def _padded(picture: Tensor, multiple: int) -> Tensor:
    height, width = picture.shape[-2:]
    down, right = -height % multiple, -width % multiple
    if down or right:
        return nnf.pad(picture, (0, right, 0, down), mode="replicate")
    return picture.contiguous()


def _pyramid(picture: Tensor, octaves: int) -> list[Tensor]:
    """Averages of ``picture`` in linear light, the coarse size first, the full size (padded to a multiple of
    2 ** ``octaves``) last."""
    levels = [_padded(picture, 1 << octaves)]
    for _ in range(octaves):
        levels.append(_averaged(levels[-1], 2))
    return levels[::-1]


def _averaged(picture: Tensor, side: int) -> Tensor:
    """The mean of every ``side`` x ``side`` pixels; OpenCV takes a third of torch's time on a CPU."""
    if not _on_processor(picture):
        return nnf.avg_pool2d(picture, side)
    _, channels, height, width = picture.shape
    small = np.empty((1, channels, height // side, width // side), np.float32)
    for source, target in zip(picture[0].numpy(), small[0], strict=True):
        cv2.resize(source, (width // side, height // side), dst=target, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small)


def _chosen(alpha: Tensor, doubt: Tensor, octave: int) -> Tensor:
    """Which blocks are refined, 1 x 1 x rows x columns, bool; a block takes in one cell beyond its edge."""
    height, width = alpha.shape[-2:]
    grown = nnf.pad(alpha, (1, 1 + -width % BLOCK, 1, 1 + -height % BLOCK), mode="replicate")
    highest = nnf.max_pool2d(grown, BLOCK + 2, BLOCK)
    lowest = -nnf.max_pool2d(-grown, BLOCK + 2, BLOCK)
    cells = BLOCK >> (octave - 1)
    unsure = nnf.max_pool2d(doubt, cells, cells, ceil_mode=True)
    return ((highest > LOWEST) & (lowest < HIGHEST)) | (unsure > DOUBT)


def _reach(starts: Tensor, size: int, limit: int) -> Tensor:
    """Indices of ``size`` places from each start, held inside 0..limit-1 (the edge is replicated)."""
    return (starts[:, None] + torch.arange(size, device=starts.device)).clamp(0, limit - 1)


def _doubled(picture: Tensor, room: tuple[int, int]) -> Tensor:
    """1 x 1 x h x w at twice the size, bilinear, in the upper left corner of a picture of size ``room``; the rest
    of that picture is undefined. OpenCV takes a tenth of torch's time on a CPU."""
    height, width = (2 * side for side in picture.shape[-2:])
    if not _on_processor(picture):
        grown = nnf.interpolate(picture, scale_factor=2.0, mode="bilinear")
        return nnf.pad(grown, (0, room[1] - width, 0, room[0] - height))
    whole = np.empty((1, 1, *room), np.float32)
    source, target = picture[0, 0].float().contiguous().numpy(), whole[0, 0, :height, :width]
    cv2.resize(source, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(whole)


def _gather(picture: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Blocks of cells with their halo, N x 4C x (BLOCK + 2 HALO) x (BLOCK + 2 HALO), from 1 x C x 2h x 2w; cells
    outside the picture repeat those at its edge."""
    _, channels, height, width = picture.shape
    cells = picture.view(channels, height // 2, 2, width // 2, 2)
    if _on_processor(picture):
        windows = _windows(cells.permute(0, 2, 4, 1, 3).numpy(), rows.tolist(), columns.tolist())
        return torch.from_numpy(windows).flatten(1, 3)
    y = _reach(rows * BLOCK - HALO, BLOCK + 2 * HALO, height // 2)
    x = _reach(columns * BLOCK - HALO, BLOCK + 2 * HALO, width // 2)
    found = cells.permute(1, 3, 0, 2, 4)[y[:, :, None], x[:, None, :]]
    return found.flatten(3).permute(0, 3, 1, 2)


def _windows(cells: Float32, rows: list[int], columns: list[int]) -> Float32:
    """The same from C x 2 x 2 x h x w, window by window: a CPU then copies rows, not single pixels."""
    size = BLOCK + 2 * HALO
    windows = np.empty((len(rows), *cells.shape[:3], size, size), np.float32)
    height, width = cells.shape[-2:]
    for window, row, column in zip(windows, rows, columns, strict=True):
        top, left = row * BLOCK - HALO, column * BLOCK - HALO
        if top >= 0 and left >= 0 and top + size <= height and left + size <= width:
            window[:] = cells[..., top : top + size, left : left + size]
        else:
            y = np.arange(top, top + size).clip(0, height - 1)
            x = np.arange(left, left + size).clip(0, width - 1)
            window[:] = cells[..., y[:, None], x]
    return windows


def _context(context: Tensor, rows: Tensor, columns: Tensor, scale: int) -> Tensor:
    """The coarse context of each block with its halo, bilinearly grown by ``scale``."""
    places = (torch.arange(BLOCK + 2 * HALO, device=context.device) - HALO + 0.5) / scale - 0.5
    first = int(places[0].floor())
    size = int(places[-1].floor()) + 2 - first
    y = _reach(rows * (BLOCK // scale) + first, size, context.shape[-2])
    x = _reach(columns * (BLOCK // scale) + first, size, context.shape[-1])
    patches = context[0][:, y[:, :, None], x[:, None, :]].transpose(0, 1)
    steps = torch.arange(size, device=context.device) + first
    grow = (1 - (places[:, None] - steps[None]).abs()).clamp(min=0).to(context.dtype)
    return grow @ patches @ grow.T
