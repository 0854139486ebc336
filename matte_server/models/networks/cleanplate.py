"""Our own network: a coarse stage over the whole frame, and octaves of refinement where alpha is uncertain.

Tensors only. The coarse stage works at a fixed size: the frame, averaged by a power of two in linear light, with a
long side of 256 to 512 pixels. Each octave then doubles the resolution of alpha with the same few convolutions, so
that the same weights serve any number of octaves, and 8K takes one more than 4K. A block of an octave depends on
its own pixels and a halo of ``HALO`` cells: batching blocks differently changes only the order of float32 sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COARSE_LONG_SIDE = 512
"""Longest side of the coarse stage's input; the frame is halved until it fits."""
MULTIPLE = 32
"""Sides of the coarse stage's input are padded (edge replicated) to a multiple of this."""
HALO = 2
"""Grid cells around a block that its refined alpha depends on; a cell is 2 x 2 pixels of the octave."""
CONTEXT = 12
"""Channels that every octave gets from the coarse stage; the first three are the encoded foreground."""
FEATURES = 19
CORE_FEATURE = 17
"""Index of the core matte among them."""
SOLID, SOLID_REACH = 0.97, 3
"""The first pass counts as solid what has alpha above ``SOLID`` for ``SOLID_REACH`` pixels around. Chosen on
training composites; values from 0.9 to 0.99 and 2 to 8 pixels differ by at most 1 %."""
TOE = 0.004
_SCALE = (1.0 + TOE) ** 0.5 - TOE**0.5
_KNEE_SLOPE = 0.5 / ((1.0 + TOE) ** 0.5 * _SCALE)


def encode(linear: Tensor) -> Tensor:
    """The network's encoding of scene-linear light, element by element: odd, monotone, 0 -> 0 and 1 -> 1.

    Up to 1 a square root with a toe, which makes photon noise uniform; above 1 a logarithm, which keeps highlights
    small. Negative values keep their sign.
    """
    size = linear.abs()
    if size.device.type == "cpu" and not size.requires_grad and float(size.amax()) <= 1.0:
        low = size.add_(TOE).sqrt_().sub_(TOE**0.5).mul_(1.0 / _SCALE)  # a third of the time: no highlights here
        return low.copysign_(linear)
    low = ((size.clamp(max=1.0) + TOE).sqrt() - TOE**0.5) * (1.0 / _SCALE)
    high = size.clamp(min=1.0).log() * _KNEE_SLOPE
    return torch.copysign(low + high, linear)


def decode(encoded: Tensor) -> Tensor:
    """The inverse of ``encode``."""
    size = encoded.abs()
    low = (size.clamp(max=1.0) * _SCALE + TOE**0.5).square() - TOE
    high = ((size.clamp(min=1.0) - 1.0) * (1.0 / _KNEE_SLOPE)).exp()
    return torch.copysign(low * high, encoded)


def octaves_for(height: int, width: int) -> int:
    """The number of octaves between the coarse stage and a frame of this size, at least one."""
    octaves = 1
    while max(height, width) > COARSE_LONG_SIDE << octaves:
        octaves += 1
    return octaves


def coarse_features(plate: Tensor, clean: Tensor, coverage: Tensor, core: Tensor, holdout: Tensor) -> Tensor:
    """The coarse stage's input, N x ``FEATURES`` x H x W, from N x C x H x W at the coarse size.

    ``plate``, ``clean``: 3 channels scene-linear; the others 1 channel, 0..1. Besides the encoded pictures it holds
    their log ratio (equal in all channels in a shadow), the distance to the range of the clean plate's 3 x 3
    neighbourhood (insensitive to misalignment), and both distances relative to the frame's noise.
    """
    p, c = encode(plate), encode(clean)
    difference = p - c
    ratio = ((plate.clamp(min=0) + 0.01) / (clean.clamp(min=0) + 0.01)).log().clamp(-4, 4) * 0.5
    lowest, highest = -_highest(-c), _highest(c)
    outside = (torch.relu(lowest - p) + torch.relu(p - highest)).amax(1, keepdim=True)
    distance = difference.abs().amax(1, keepdim=True)
    noise = _quartile(distance) + 0.004
    covered = coverage
    return torch.cat(
        [
            p * 2 - 1,
            c * 2 - 1,
            difference * 4 * covered,
            ratio * covered,
            (outside / (outside + noise)) * covered,
            (distance / (distance + 3 * noise)) * covered,
            (outside * 8).clamp(max=4) * covered,
            noise.expand_as(distance) * 8,
            coverage,
            core,
            holdout,
        ],
        1,
    )


def _highest(picture: Tensor) -> Tensor:
    """The maximum over 3 x 3 pixels; comparing shifted copies takes a fifth of pooling's time on a CPU."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    across = torch.maximum(padded[..., :-2], padded[..., 2:]).maximum(padded[..., 1:-1])
    return torch.maximum(across[..., :-2, :], across[..., 2:, :]).maximum(across[..., 1:-1, :])


def _quartile(distance: Tensor) -> Tensor:
    """The lower quartile of each picture, N x 1 x 1 x 1, over every fourth row and column."""
    sample = distance[..., ::4, ::4].flatten(1)
    rank = max(1, sample.shape[1] // 4)
    return sample.kthvalue(rank, dim=1).values.clamp(max=0.1).view(-1, 1, 1, 1)


class ConvUnit(nn.Module):
    """3 x 3 convolution, batch normalisation (folded away by ``fold``), ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels_out)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return torch.relu_(y) if self.active else y

    def fold(self) -> None:
        """Merge the normalisation into the convolution; for inference only."""
        if not isinstance(self.norm, nn.BatchNorm2d):
            return
        self.conv = nn.utils.fusion.fuse_conv_bn_eval(self.conv, self.norm)
        self.norm = nn.Identity()


class Residual(nn.Module):
    """A residual block of two units."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = ConvUnit(channels, channels, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.second(self.first(x)) + x)


class Surroundings(nn.Module):
    """Adds a function of the mean over the whole frame to every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mix(x.mean((2, 3)))
        return torch.relu_(x + y[:, :, None, None])


def exact(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a last layer in float32 even under autocast: bfloat16 would quantise alpha visibly."""
    with torch.autocast(x.device.type, enabled=False):
        y: Tensor = layer(x.float())
    return y


@dataclass(frozen=True, eq=False)
class Coarse:
    """The coarse stage's output at its own size: ``alpha`` N x 1 (unclamped in training), ``doubt`` N x 1 (expected
    absolute error of alpha), ``context`` N x ``CONTEXT``."""

    alpha: Tensor
    doubt: Tensor
    context: Tensor


class CoarseNet(nn.Module):
    """A U-Net over the whole frame with five halvings; its widest level has half the input's resolution."""

    WIDTHS = (24, 48, 96, 160, 256)
    BLOCKS = (0, 1, 2, 3, 3)

    def __init__(self) -> None:
        super().__init__()
        w = self.WIDTHS
        self.down = nn.ModuleList(
            nn.Sequential(ConvUnit(before, after, stride=2), *(Residual(after) for _ in range(blocks)))
            for before, after, blocks in zip((FEATURES, *w[:-1]), w, self.BLOCKS, strict=True)
        )
        self.surroundings = Surroundings(w[-1])
        self.lift = nn.ModuleList(nn.Conv2d(w[i + 1], w[i], 1) for i in range(4))
        self.merge = nn.ModuleList(
            [ConvUnit(w[0], w[0]), ConvUnit(w[1], w[1]), ConvUnit(w[2], w[2]), Residual(w[3])]
        )
        self.head = nn.Conv2d(w[0], 4 * (2 + CONTEXT), 1)

    def forward(self, features: Tensor) -> Tensor:
        """N x ``FEATURES`` x H x W, sides multiples of ``MULTIPLE`` -> N x (2 + ``CONTEXT``) x H x W."""
        skips: list[Tensor] = []
        x = features
        for down in self.down:
            x = down(x)
            skips.append(x)
        x = self.surroundings(x)
        for level in (3, 2, 1, 0):
            up = F.interpolate(self.lift[level](x), scale_factor=2.0, mode="nearest")
            x = self.merge[level](up + skips[level])
        return F.pixel_shuffle(exact(self.head, x), 2)


class OctaveRefiner(nn.Module):
    """Doubles the resolution of alpha; the same weights for every octave.

    Works on cells: the 2 x 2 pixels of the octave that lie in one pixel below it are channels, in the order
    of ``pixel_unshuffle`` (channel, row, column). One 1 x 1 and two unpadded 3 x 3 convolutions.
    """

    WIDTHS = (32, 24, 24)
    PER_PIXEL = 11

    def __init__(self) -> None:
        super().__init__()
        w = self.WIDTHS
        self.blend = nn.Conv2d(4 * self.PER_PIXEL + CONTEXT, w[0], 1)
        self.first = nn.Conv2d(w[0], w[1], 3)
        self.second = nn.Conv2d(w[1], w[2], 3)
        self.last = nn.Conv2d(w[2], 8, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, plate: Tensor, clean: Tensor, alpha: Tensor, context: Tensor) -> Tensor:
        """Cells of h x w: ``plate``, ``clean`` (N x 12, scene-linear), ``alpha`` (N x 4, doubled bilinearly),
        ``context`` (N x ``CONTEXT``) -> alpha N x 4 of (h - 2 HALO) x (w - 2 HALO), unclamped. The result
        mixes the doubled alpha, the projection of the plate between clean plate and the coarse foreground
        colour, and a correction."""
        projected, trust = project(plate, clean, context)
        x = torch.relu_(self._blended(encode(plate), encode(clean), alpha, projected, context))
        x = torch.relu_(self.first(x))
        x = torch.relu_(self.second(x))
        mix, correction = exact(self.last, x).chunk(2, 1)
        inner = (slice(None), slice(None), slice(HALO, -HALO), slice(HALO, -HALO))
        before = alpha[inner]
        share = torch.sigmoid(mix - 1.0) * trust[inner]
        refined: Tensor = before + share * (projected[inner] - before) + correction
        return refined

    def _blended(self, p: Tensor, c: Tensor, alpha: Tensor, projected: Tensor, context: Tensor) -> Tensor:
        if p.device.type == "cpu" and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu"):
            return self._blended_at_once(p, c, alpha, projected, context)
        cells = [p * 2 - 1, (p - c) * 2, c * 2 - 1, alpha * 2 - 1, projected * 2 - 1, context]
        blended: Tensor = self.blend(torch.cat(cells, 1))
        return blended

    def _blended_at_once(self, p: Tensor, c: Tensor, alpha: Tensor, projected: Tensor, context: Tensor) -> Tensor:
        """The same in float32 on a CPU, in a quarter of the time: the constants are merged into the weights, and
        one matrix product leaves the channels last, as the convolutions after it need them."""
        assert self.blend.bias is not None
        of_p, of_both, of_c, of_alpha, of_projected, of_context = torch.split(
            self.blend.weight[..., 0, 0], [12, 12, 12, 4, 4, CONTEXT], 1
        )
        parts = [2 * (of_p + of_both), 2 * (of_c - of_both), 2 * of_alpha, 2 * of_projected, of_context]
        bias = self.blend.bias - torch.cat([of_p, of_c, of_alpha, of_projected], 1).sum(1)
        cells = torch.cat([p, c, alpha, projected, context], 1)
        count, channels, height, width = cells.shape
        rows = cells.view(count, channels, height * width).transpose(1, 2)
        blended = torch.bmm(rows, torch.cat(parts, 1).t().expand(count, -1, -1)).add_(bias)
        return blended.view(count, height, width, -1).permute(0, 3, 1, 2)


def project(plate: Tensor, clean: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """Per pixel of the cells, N x 4 x h x w: the alpha, 0..1, of the point nearest to ``plate`` on the line from
    ``clean`` to the coarse foreground (scene-linear); and the distance of the two ends, 0 (equal) to 1."""
    count, _, height, width = plate.shape
    ends = decode(context[:, :3].float()).unsqueeze(2).unbind(1)
    plates, cleans = (x.view(count, 3, 4, height, width).unbind(1) for x in (plate, clean))
    lines = [end - c for end, c in zip(ends, cleans, strict=True)]
    length = _dot(lines, lines)
    size = _dot(cleans, cleans) + _dot(ends, ends)
    along = _dot([p - c for p, c in zip(plates, cleans, strict=True)], lines)
    return (along / (length + 1e-6)).clamp(0.0, 1.0), length / (length + 0.02 * size + 1e-6)


def _dot(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """The dot product over channels, one channel at a time: far faster than a reduction over three."""
    total = first[0] * second[0]
    for one, other in zip(first[1:], second[1:], strict=True):
        total = torch.addcmul(total, one, other)
    return total


def with_solid(core: Tensor, alpha: Tensor) -> Tensor:
    """The core matte, set to 1 also where alpha is above ``SOLID`` for ``SOLID_REACH`` pixels around; N x 1
    each."""
    elsewhere = (alpha <= SOLID).to(core.dtype)
    for _ in range(SOLID_REACH):
        elsewhere = _highest(elsewhere)
    return torch.maximum(core, 1.0 - elsewhere)


class CleanplateNet(nn.Module):
    """Both stages. For inference: ``two_passes``, then ``refiner`` per octave in the blocks that the adapter
    chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse = CoarseNet()
        self.refiner = OctaveRefiner()

    def coarse_stage(self, plate: Tensor, clean: Tensor, coverage: Tensor, core: Tensor, holdout: Tensor) -> Coarse:
        """One pass over the whole frame at the coarse size, any sides (see ``coarse_features`` for the inputs)."""
        return self._seen(coarse_features(plate, clean, coverage, core, holdout), plate)

    def _seen(self, features: Tensor, plate: Tensor) -> Coarse:
        height, width = plate.shape[-2:]
        down, right = -height % MULTIPLE, -width % MULTIPLE
        if down or right:
            features = F.pad(features, (0, right, 0, down), mode="replicate")
        if features.device.type == "cpu":
            features = features.contiguous(memory_format=torch.channels_last)
        answer = self.coarse(features)[..., :height, :width].float()
        context = answer[:, 2:]
        colour = encode(plate) + context[:, :3]
        return Coarse(
            alpha=answer[:, :1] + 0.5,
            doubt=torch.sigmoid(answer[:, 1:2] - 3.0),
            context=torch.cat([colour, context[:, 3:]], 1),
        )

    def two_passes(self, plate: Tensor, clean: Tensor, coverage: Tensor, core: Tensor, holdout: Tensor) -> Coarse:
        """The mean of two passes of the coarse stage, for inference. The second pass sees the frame mirrored, with
        the first pass's solid areas added to the core matte, so that it closes holes in clothes that match the
        set."""
        features = coarse_features(plate, clean, coverage, core, holdout)
        first = self._seen(features, plate)
        features[:, CORE_FEATURE : CORE_FEATURE + 1] = with_solid(core, first.alpha)
        second = self._seen(features.flip(-1), plate.flip(-1))
        return Coarse(
            alpha=torch.lerp(first.alpha.clamp(0.0, 1.0), second.alpha.flip(-1).clamp_(0.0, 1.0), 0.5),
            doubt=torch.lerp(first.doubt, second.doubt.flip(-1), 0.5),
            context=torch.lerp(first.context, second.context.flip(-1), 0.5),
        )

    def fold(self) -> CleanplateNet:
        """Fold every normalisation and set the memory layout, for inference; returns itself."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvUnit):
                module.fold()
        return self.to(memory_format=torch.channels_last)
