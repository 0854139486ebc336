"""Runs Cleanplate's own network over frames of any size.

It sees a frame in middle light (:mod:`cleanplate_light`). Where the subject is small, all of what follows happens
in a part of the frame (:mod:`cleanplate_part`); where it is very small, that part is seen at twice its size, too.

The coarse stage looks at the whole frame twice: at the coarse size, and at twice that. The first octave refines
what the first look found; its mean with the second look (:mod:`cleanplate_looks`) is where the other octaves begin.
Of frames above 2048 pixels it looks a third time, at four times the coarse size, but only into windows where alpha
is uncertain (:mod:`cleanplate_windows`); what it finds is joined in the same way.

An octave is refined in blocks, but only in those where alpha is neither 0 nor 1, the coarse stage expects an error,
or the full resolution contradicts it. A block reads its own pixels and a fixed halo, and the frame's edge is
replicated. How many blocks are computed at once (``tile``) therefore changes only the order of float32 sums: at
most 1e-5 in alpha."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from ..errors import MatteError
from ..pixels.coarse_grid import CoarseGrid
from .architectures import BATCH_COUNTER, check_finite
from .cleanplate_blocks import (
    BLOCK,
    averaged,
    chosen_blocks,
    gather_cells,
    gather_upsampled,
    put_cells,
    put_pixels,
    upsampled_into,
)
from .cleanplate_evidence import frame_evidence, padded, pyramid
from .cleanplate_light import exposed, gain_to_middle, in_own_light
from .cleanplate_looks import SECOND_LOOK, THIRD_LOOK, AlphaLevel, of_both_looks
from .cleanplate_part import closer_part, doubled, halved, in_frame, mixed, share_of_doubled
from .cleanplate_windows import BLOCKS, beneath, cut_input, cut_windows, put_windows, windows_around
from .learned import check_learned_for
from .network_table import CLEANPLATE
from .networks.cleanplate import CleanplateNet, Coarse, CoarseInput, layout_of, octaves_for
from .networks.cleanplate_features import decode
from .networks.cleanplate_refiner import ALPHA_ERROR, COLOUR, RESULTS, STATE, Cells
from .protocols import CancelCheck, FrameTensors, ModelSettings, ModelSpec, Prediction
from .safetensors_file import tensors_in

SPEC = ModelSpec(
    name=CLEANPLATE,
    label="Cleanplate",
    summary="Our own network: sees the whole frame, refines hair at full resolution. Free for paid work.",
    licence="Apache-2.0",
    commercial_use=True,
    weights="packaged",
    packaged_file="data/cleanplate.safetensors",
)
_BLOCKS_AT_ONCE = {"cuda": 4096}
_BLOCKS_A_THREAD, _MOST_BLOCKS = 96, 768
"""Blocks at once on a CPU: with fewer, sleeping threads wake too often; a block takes a quarter of a megabyte."""
_OCTAVES_SEEN_CLOSELY = 3
"""From so many octaves on there is a third look. On 11 frames of 3840 x 2160 it takes frame, band and Grad to 0.84,
0.91 and 0.93 of what they were, on 17 of 2160 x 1620 to 0.91, 0.93 and 0.90, for twice the time. With two octaves,
on 26 of 1440 x 1080, it takes them to 0.985, 0.982 and 0.981, for three times: left."""


@dataclass(frozen=True, eq=False)
class _Octave:
    """What the refinement of one octave reads, 1 x C x H x W each: the averaged pictures, and of a detailed network
    least and most evidence at this resolution and at half of it. ``number``: how often it doubles the resolution of
    the look before it, 1 at least. ``last``: whether its state need hold results alone."""

    number: int
    last: bool
    plate: Tensor
    clean: Tensor
    evidence: Tensor | None
    evidence_below: Tensor | None


@dataclass(frozen=True, eq=False)
class _Pyramids:
    """A frame at every resolution, the coarse size first: averaged pictures, and of a detailed network the
    evidence. ``of_looks``: the coarse stage's part of the evidence, for each look."""

    given: FrameTensors
    plates: list[Tensor]
    cleans: list[Tensor]
    evidence: list[Tensor | None]
    of_looks: tuple[Tensor, ...] | None

    @property
    def octaves(self) -> int:
        return len(self.plates) - 1

    @property
    def last_look(self) -> int:
        return _last_look(self.octaves)

    def seen_in_look(self, look: int) -> CoarseInput:
        """The coarse stage's input in the first look (0), the second (1) or the third (2)."""
        side = 1 << (self.octaves - look)
        plate = self.plates[look]

        def guide(matte: Tensor | None) -> Tensor:
            if matte is None:
                return torch.zeros_like(plate[:, :1])
            return averaged(padded(matte, 1 << self.octaves), side)

        return CoarseInput(
            plate=plate,
            clean=self.cleans[look],
            coverage=guide(self.given.coverage),
            core=guide(self.given.core),
            holdout=guide(self.given.holdout),
            evidence=None if self.of_looks is None else self.of_looks[look],
        )

    def octave(self, level: int, look: int) -> _Octave:
        """The octave that leads to resolution ``level``, after ``look``."""
        return _Octave(
            number=level - look,
            last=level == self.octaves and look == self.last_look,
            plate=self.plates[level],
            clean=self.cleans[level],
            evidence=self.evidence[level],
            evidence_below=self.evidence[level - 1],
        )


class CleanplateModel:
    """The network on one device as a :class:`protocols.MattingModel`."""

    spec = SPEC

    def __init__(self, net: CleanplateNet, device: torch.device) -> None:
        self._net = net.to(device).folded()
        self._device = device

    @classmethod
    def load(cls, weights: str, device: torch.device) -> CleanplateModel:
        """Load a safetensors file of either layout, or the packaged weights where ``weights`` is empty. Raises
        ``MatteError`` with the codes missing_weights and bad_weights."""
        return cls(load_network(weights), device)

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        """Alpha at full resolution. The foreground is the network's colour, an estimate for the foreground solve;
        the expected error is the network's."""
        gain, dtype = gain_to_middle(frame.plate, frame.clean_plate, frame.coverage), settings.autocast
        with torch.autocast(self._device.type, dtype, enabled=dtype is not None):
            return in_own_light(self._found(exposed(frame, gain), settings, check), gain)

    def _found(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        octaves = octaves_for(*frame.size)
        pictures, first = self._first_look(frame, octaves, check)
        part = closer_part(first, octaves, frame.size)
        if part is None:
            return self._from_first_look(pictures, first, settings, check)
        del pictures
        seen = frame.part(part.rows, part.columns)

        def found(shown: FrameTensors, part_octaves: int) -> Prediction:
            return self._from_first_look(*self._first_look(shown, part_octaves, check), settings, check)

        if part.octaves:
            close = found(seen, part.octaves)
            ours = close if part.share == 1.0 else mixed(found(seen, part.octaves + 1), close, part.share)
        else:
            own, larger = found(seen, 1), halved(found(doubled(seen), 1))
            ours = mixed(own, larger, part.share * share_of_doubled(own, larger))
        return in_frame(part, ours, first, octaves, frame.size)

    def _first_look(self, frame: FrameTensors, octaves: int, check: CancelCheck) -> tuple[_Pyramids, Coarse]:
        """The frame at every resolution, the coarse size ``octaves`` halvings below it, and the first look."""
        pictures = self._pictures(frame, octaves, check)
        first = self._net.first_look(pictures.seen_in_look(0))
        check()
        return pictures, first

    def _from_first_look(
        self, pictures: _Pyramids, first: Coarse, settings: ModelSettings, check: CancelCheck
    ) -> Prediction:
        """What follows the first look: its octave, the other looks, the other octaves."""
        at_once = self._blocks_at_once(settings)
        refined = self._refined(pictures.octave(1, 0), AlphaLevel.of(first), first, at_once, check)
        second = self._net.second_look(pictures.seen_in_look(1), first.alpha)
        seen = of_both_looks(first, refined, second, SECOND_LOOK)
        check()
        if pictures.last_look == 2:
            seen = self._with_close_look(pictures, seen, at_once, check)
        level = AlphaLevel.of(seen)
        for number in range(pictures.last_look + 1, pictures.octaves + 1):
            level = self._refined(pictures.octave(number, pictures.last_look), level, seen, at_once, check)
        return _prediction(seen, level, pictures.octaves - pictures.last_look, pictures.given.size)

    def _with_close_look(self, pictures: _Pyramids, before: Coarse, at_once: int, check: CancelCheck) -> Coarse:
        """``before`` after its octave, joined with what the coarse stage finds at twice its resolution, in windows
        around the blocks that were refined; elsewhere with what is known already."""
        octave, given, level = pictures.octave(2, 1), pictures.seen_in_look(2), AlphaLevel.of(before)
        blocks = _blocks(octave, level, before)
        refined = self._refined_in(blocks, octave, level, before, at_once, check)
        rows, columns = windows_around(*blocks)
        found = beneath(before, refined, (int(given.plate.shape[-2]), int(given.plate.shape[-1])))
        some = max(1, at_once // BLOCKS)
        for start in range(0, len(rows), some):
            check()
            at = rows[start : start + some], columns[start : start + some]
            put_windows(found, self._net.second_look(cut_input(given, *at), cut_windows(before.alpha, *at, 2)), *at)
        return of_both_looks(before, refined, found, THIRD_LOOK)

    def _pictures(self, frame: FrameTensors, octaves: int, check: CancelCheck) -> _Pyramids:
        plates, cleans = pyramid(frame.plate, octaves), pyramid(frame.clean_plate, octaves)
        check()
        evidence: list[Tensor | None] = [None] * (octaves + 1)
        of_looks: tuple[Tensor, ...] | None = None
        if self._net.layout.detailed:
            coverage = padded(frame.coverage, 1 << octaves)
            evidence[:], of_looks = frame_evidence(plates[-1], cleans[-1], coverage, octaves, _last_look(octaves))
            check()
        return _Pyramids(given=frame, plates=plates, cleans=cleans, evidence=evidence, of_looks=of_looks)

    def _blocks_at_once(self, settings: ModelSettings) -> int:
        if settings.tile > 0:
            return max(1, settings.tile // (2 * BLOCK)) ** 2
        if self._device.type == "cpu":
            return min(_BLOCKS_A_THREAD * torch.get_num_threads(), _MOST_BLOCKS)
        return _BLOCKS_AT_ONCE.get(self._device.type, 256)

    def _refined(
        self, octave: _Octave, before: AlphaLevel, coarse: Coarse, at_once: int, check: CancelCheck
    ) -> AlphaLevel:
        """Alpha at twice the resolution of ``before``, refined in the chosen blocks, and the state of its cells."""
        return self._refined_in(_blocks(octave, before, coarse), octave, before, coarse, at_once, check)

    def _refined_in(
        self,
        blocks: tuple[Tensor, Tensor],
        octave: _Octave,
        before: AlphaLevel,
        coarse: Coarse,
        at_once: int,
        check: CancelCheck,
    ) -> AlphaLevel:
        """The same for ``blocks``, the rows and columns of those that are refined."""
        rows, columns = blocks
        height, width = before.alpha.shape[-2:]
        cells_room = (height + -height % BLOCK, width + -width % BLOCK)
        canvas = upsampled_into(before.alpha, 2, (2 * cells_room[0], 2 * cells_room[1]))
        doubled = canvas[..., : 2 * height, : 2 * width]
        factor = 1 if octave.number == 1 else 2
        kept = RESULTS if octave.last else STATE
        state = None if before.state is None else upsampled_into(before.state[:, :kept], factor, cells_room)
        found = []
        for start in range(0, len(rows), at_once):
            check()
            at = slice(start, start + at_once)
            cells = self._cells(octave, doubled, before.state, coarse.context, rows[at], columns[at])
            found.append(self._net.refiner(cells))
        if found:
            # Only now: a block sees its neighbours as they were.
            put_pixels(canvas, rows, columns, torch.cat([each.alpha for each in found]).clamp(0.0, 1.0))
        if found and state is not None:
            refined = torch.cat([each.state[:, :kept] for each in found if each.state is not None])
            put_cells(state, rows, columns, refined)
        return AlphaLevel(alpha=doubled, state=None if state is None else state[..., :height, :width])

    def _cells(
        self, octave: _Octave, alpha: Tensor, state: Tensor | None, context: Tensor, rows: Tensor, columns: Tensor
    ) -> Cells:
        """The blocks at ``rows`` and ``columns``, with their halo."""
        halo = self._net.refiner.HALO
        scale = 1 if octave.number == 1 else 2
        return Cells(
            plate=gather_cells(octave.plate, rows, columns, halo),
            clean=gather_cells(octave.clean, rows, columns, halo),
            alpha=gather_cells(alpha, rows, columns, halo),
            context=gather_upsampled(context, rows, columns, 1 << (octave.number - 1), halo),
            evidence=None if octave.evidence is None else gather_cells(octave.evidence, rows, columns, halo),
            state=None if state is None else gather_upsampled(state, rows, columns, scale, halo),
        )


def _blocks(octave: _Octave, before: AlphaLevel, coarse: Coarse) -> tuple[Tensor, Tensor]:
    """Rows and columns of the blocks that an octave refines."""
    return chosen_blocks(before.alpha, coarse.doubt, octave.number, octave.evidence_below)


def _last_look(octaves: int) -> int:
    """The number of the last look, counted from 0."""
    return 2 if octaves >= _OCTAVES_SEEN_CLOSELY else 1


def load_network(weights: str) -> CleanplateNet:
    """The network with the weights of a safetensors file, or the packaged ones where ``weights`` is empty; on the
    CPU, in evaluation mode. Raises ``MatteError`` with the codes missing_weights and bad_weights."""
    if weights:
        return read_network(Path(weights))
    with as_file(files(__package__) / SPEC.packaged_file) as path:
        return read_network(path)


def read_network(path: Path) -> CleanplateNet:
    """The network with the weights of a safetensors file, in the file's own layout, on the CPU, in evaluation mode.
    Raises ``MatteError`` with the codes missing_weights and bad_weights."""
    if not path.is_file():
        raise MatteError(
            "missing_weights",
            f"There are no weights at {path}.",
            "Correct the path, or leave it out for the packaged weights.",
        )
    check_learned_for(path, SPEC.name)
    try:
        state = tensors_in(path)
    except SafetensorError:
        raise MatteError(
            "bad_weights", f"{path.name} is no safetensors file, or a damaged one.", "Copy it again."
        ) from None
    check_finite(state, path.name)
    net = CleanplateNet(layout_of(state))
    own = net.state_dict()
    lacking = [name for name in own if name not in state and not name.endswith(BATCH_COUNTER)]
    others = [name for name, tensor in state.items() if name not in own or tensor.shape != own[name].shape]
    if wrong := [*lacking, *others]:
        raise MatteError("bad_weights", f"{path.name} holds another network's weights: {', '.join(wrong[:3])} ...")
    net.load_state_dict(state, strict=False)
    return net.eval()


def _prediction(looks: Coarse, level: AlphaLevel, octaves: int, size: tuple[int, int]) -> Prediction:
    """The frame's part of the padded results, ``octaves`` doublings above the last look: from a light network the
    looks' colour and doubt, from a detailed one those of the last octave's cells."""
    height, width = size
    colour, error, side = looks.context[:, :3], looks.doubt, 1 << octaves
    if level.state is not None:
        state = level.state
        side, scale = (2, side // 2) if octaves else (1, 1)
        room = (int(state.shape[-2]), int(state.shape[-1]))
        colour = upsampled_into(colour, scale, room) + state[:, COLOUR]
        error = torch.sigmoid(state[:, ALPHA_ERROR])
    if side == 1:
        colour, error = (values[..., :height, :width].contiguous() for values in (colour, error))
    return Prediction(
        alpha=level.alpha[..., :height, :width].contiguous(),
        foreground=CoarseGrid(values=decode(colour), side=side, size=size),
        confidence=CoarseGrid(values=1.0 - error, side=side, size=size),
        expected_error=CoarseGrid(values=error, side=side, size=size),
    )
