"""Brings a frame's pictures to the device, all of them onto the plate's data window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.align import Alignment, display_transform
from ..core.image import KNOWN, Float32, Guides, Image, PlatePair
from ..core.motion_fit import Matrix
from ..core.window import Window
from ..models.protocols import FrameTensors
from ..pixels.device_facts import coordinate_type
from ..pixels.warp import warp
from .repeated_edges import repeated_sides, without_repeated_edges

# A resampled pixel beside an unknown one is partly made of it, and counts as unknown.
_FULLY_KNOWN = 0.99


@dataclass(frozen=True, eq=False)
class _WarpedCleanPlate:
    """A clean plate warped onto a plate's window with its exposure matched: 1 x 3 x H x W, and its coverage, 1 x 1
    x H x W."""

    clean: Image
    window: Window
    alignment: Alignment
    unknown_sides: frozenset[int]
    pixels: Tensor
    coverage: Tensor

    def is_for(self, clean: Image, window: Window, alignment: Alignment, unknown_sides: frozenset[int]) -> bool:
        """Whether warping these would give the same pixels."""
        own = self.alignment
        same_exposure = own.gain == alignment.gain and own.offset == alignment.offset
        same_place = self.window == window and np.array_equal(own.transform, alignment.transform)
        same_sides = self.unknown_sides == unknown_sides
        return self.clean is clean and same_place and same_exposure and same_sides


class FrameWarper:
    """Makes a frame's tensors on one device. Keeps the last warped clean plate: in a locked shot every frame needs
    the same one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._last: _WarpedCleanPlate | None = None

    def clear(self) -> None:
        """Frees the memory of the last clean plate."""
        self._last = None

    def tensors(self, pair: PlatePair, guides: Guides, alignment: Alignment) -> FrameTensors:
        """The frame on the device. The clean plate's tensors are shared between frames and must not be changed."""
        plate = pair.plate
        unknown_sides = repeated_sides(pair.clean_plate.rgb)
        if unknown_sides:
            # Where the plate repeats its edge as well, that is how the set looks (a computer-made wall).
            unknown_sides -= repeated_sides(plate.rgb)
        clean = self._clean_plate(pair.clean_plate, plate.data_window, alignment, unknown_sides)
        return FrameTensors(
            plate=self._upload(plate.rgb),
            clean_plate=clean.pixels,
            coverage=clean.coverage,
            core=self._guide(plate, guides.core),
            holdout=self._guide(plate, guides.holdout),
            pixel_aspect=plate.pixel_aspect,
        )

    def _clean_plate(
        self, clean: Image, window: Window, alignment: Alignment, unknown_sides: frozenset[int]
    ) -> _WarpedCleanPlate:
        if self._last is not None and self._last.is_for(clean, window, alignment, unknown_sides):
            return self._last
        # Freed first: both at once would be the frame's peak of memory.
        self._last = None
        matrix = self._matrix(alignment.transform, window, clean.data_window)
        warped, coverage = warp(self._upload(clean.rgb), matrix, window.height, window.width)
        for part in _known_parts(clean, unknown_sides):
            known, _ = warp(self._upload(part), matrix, window.height, window.width)
            coverage = coverage * (known > _FULLY_KNOWN)
        gain = torch.tensor(alignment.gain, device=self._device).view(1, 3, 1, 1)
        offset = torch.tensor(alignment.offset, device=self._device).view(1, 3, 1, 1)
        self._last = _WarpedCleanPlate(
            clean=clean,
            window=window,
            alignment=alignment,
            unknown_sides=unknown_sides,
            pixels=warped * gain + offset,
            coverage=coverage,
        )
        return self._last

    def _guide(self, plate: Image, guide: Image | None) -> Tensor | None:
        """A guide on the plate's window, 0 where it does not reach."""
        if guide is None:
            return None
        window = plate.data_window
        matrix = self._matrix(display_transform(plate, guide), window, guide.data_window)
        values, covered = warp(self._upload(guide.pixels[..., :1]), matrix, window.height, window.width)
        return (values * covered).clamp(0.0, 1.0)

    def _matrix(self, transform: Matrix, target: Window, source: Window) -> Tensor:
        """The matrix from the target's array coordinates to the source's. ``transform`` maps plane coordinates from
        source to target."""
        matrix = source.from_plane() @ np.linalg.inv(transform) @ target.to_plane()
        matrix = matrix / matrix[2, 2]
        return torch.tensor(matrix.tolist(), dtype=coordinate_type(self._device), device=self._device)

    def _upload(self, pixels: Float32) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(self._device)[None]


def _known_parts(clean: Image, unknown_sides: frozenset[int]) -> list[Float32]:
    """Masks, H x W x 1: only where all of them are 1 does the clean plate show the set."""
    masks = [clean.pixels[..., clean.channels.index(KNOWN)][..., None]] if KNOWN in clean.channels else []
    shown = without_repeated_edges(clean.rgb, unknown_sides)
    return masks if shown is None else [*masks, shown]
