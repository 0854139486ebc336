"""The network of "Real-Time High-Resolution Background Matting" (Lin et al., CVPR 2021), called V2 here.

A coarse network (backbone, ASPP, decoder) sees plate and clean plate shrunk to ``backbone_scale`` and gives alpha,
a foreground residual, the error it expects of its alpha, and 32 hidden channels. The refiner then works at full
resolution where that error is high: its unit is a patch of 4 x 4 pixels, computed from the 8 x 8 around it.

Names and shapes of the parameters are those of the published checkpoints; :func:`Bgm2.forward` gives their six
outputs. The refiner's arithmetic is theirs, its way is not. On a processor, where arithmetic costs, it upsamples
and gathers only what a chosen patch reads, and joins neighbouring patches into tiles, so that what they share is
computed once (``bgm2_tiles.py``). On a GPU, where each of those many small steps costs as much as a large one,
it refines whole bands of the frame and keeps the chosen patches (``bgm2_bands.py``).
Every tensor is of one frame: 1 x C x H x W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from .bgm2_bands import Bands
from .bgm2_tiles import PATCH, Reach, TiledFrame, shrunk, tiles_of
from .folding import fold

REFINE_MODES = ("sampling", "thresholding", "full")
_HIDDEN = 32
_FEATURES = {"mobilenetv2": (320, 32, 24, 16), "resnet50": (2048, 512, 256, 64), "resnet101": (2048, 512, 256, 64)}
# MobileNetV2's stages after the stem: expansion, channels, blocks, stride. The last but one keeps its size (and the
# last is dilated) so that the features are 1/16 of the input.
_INVERTED = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 1),
    (6, 320, 1, 1),
)
_DILATED_FROM = 15
_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}


@dataclass(frozen=True)
class Refinement:
    """Where the refiner works. ``mode`` 'sampling' takes the ``sample_pixels`` // 16 patches of the highest
    expected error (with ``prevent_oversampling`` only those where any is expected), 'thresholding' those above
    ``threshold``, 'full' all."""

    mode: str = "sampling"
    sample_pixels: int = 80_000
    threshold: float = 0.1
    prevent_oversampling: bool = True

    def __post_init__(self) -> None:
        if self.mode not in REFINE_MODES:
            raise ValueError(f"The refine mode must be one of {', '.join(REFINE_MODES)}, not {self.mode!r}.")

    def patches(self, error: Tensor) -> Tensor:
        """The chosen patches, bool like ``error``: rows x columns of patches. ``sample_pixels`` is held to the
        frame's own number of patches."""
        if self.mode == "full":
            return torch.ones_like(error, dtype=torch.bool)
        if self.mode == "thresholding":
            return error > self.threshold
        count = min(self.sample_pixels // PATCH**2, error.numel())
        chosen = torch.zeros_like(error, dtype=torch.bool).flatten()
        chosen[error.flatten().topk(count, sorted=False).indices] = True
        chosen = chosen.view_as(error)
        return chosen & (error > 0) if self.prevent_oversampling else chosen


class Bgm2Output(NamedTuple):
    """What V2 gives, under its own names: alpha and foreground (0..1) at full size and at the coarse size, the
    expected error at the coarse size, and the refined patches (1 or 0) at a quarter of the full size."""

    pha: Tensor
    fgr: Tensor
    pha_sm: Tensor
    fgr_sm: Tensor
    err_sm: Tensor
    ref_sm: Tensor


@dataclass(frozen=True, eq=False)
class Bgm2Coarse:
    """What V2 knows before its refiner, at the coarse size: the plate ``src``, ``alpha`` and the ``error`` expected
    of it (0..1), the foreground's ``residual`` over the plate, and ``hidden`` channels."""

    src: Tensor
    alpha: Tensor
    residual: Tensor
    error: Tensor
    hidden: Tensor

    @property
    def seen(self) -> Tensor:
        """What the refiner reads, 1 x 36 x h x w."""
        return torch.cat([self.hidden, self.alpha, self.residual], 1)


class Bgm2(nn.Module):
    """V2 with one of its backbones; ``kernel_size`` (3 or 1) is the refiner's."""

    def __init__(self, backbone: str = "mobilenetv2", kernel_size: int = 3) -> None:
        super().__init__()
        features = _FEATURES[backbone]
        self.backbone = MobileNetV2() if backbone == "mobilenetv2" else ResNet(_BLOCKS[backbone])
        self.aspp = Aspp(features[0])
        self.decoder = Decoder(features[1:])
        self.refiner = Refiner(kernel_size)

    def forward(self, src: Tensor, bgr: Tensor, backbone_scale: float, refinement: Refinement) -> Bgm2Output:
        """``src`` (plate) and ``bgr`` (clean plate): 1 x 3 x H x W, display-encoded 0..1, sides multiples of 4."""
        height, width = src.shape[-2:]
        if height % PATCH or width % PATCH or src.shape != bgr.shape:
            raise ValueError(f"Plate and clean plate must have one size, in multiples of {PATCH}.")
        coarse = self.coarse_stage(src, bgr, backbone_scale)
        quarter = (height // PATCH, width // PATCH)
        chosen = refinement.patches(nnf.interpolate(coarse.error, quarter, mode="bilinear")[0, 0])
        pha, fgr = self.refiner(src, bgr, coarse.seen, chosen)
        fgr_sm = (coarse.residual + coarse.src).clamp_(0.0, 1.0)
        return Bgm2Output(pha, fgr, coarse.alpha, fgr_sm, coarse.error, chosen[None, None].to(src.dtype))

    def coarse_stage(self, src: Tensor, bgr: Tensor, backbone_scale: float) -> Bgm2Coarse:
        """Everything before the refiner; arguments as :meth:`forward` takes them."""
        small = (int(src.shape[-2] * backbone_scale), int(src.shape[-1] * backbone_scale))
        src_sm, bgr_sm = (shrunk(picture, small) for picture in (src, bgr))
        pair = torch.cat([src_sm, bgr_sm], 1).contiguous(memory_format=torch.channels_last)
        deepest, *shortcuts = self.backbone(pair)
        coarse = self.decoder(self.aspp(deepest), *shortcuts, pair).float()
        return Bgm2Coarse(
            src=src_sm,
            alpha=coarse[:, :1].clamp(0.0, 1.0),
            residual=coarse[:, 1:4],
            error=coarse[:, 4:5].clamp(0.0, 1.0),
            hidden=coarse[:, 5:].relu(),
        )

    def folded(self) -> Bgm2:
        """Itself, for inference only: see :func:`folding.fold`."""
        fold(self)
        return self


class Refiner(nn.Module):
    """Alpha and foreground at full size: the coarse ones upsampled, and computed anew in the chosen patches.

    Two convolutions at half size over the upsampled coarse outputs and the half-size pictures, two at full size
    over their result (each pixel doubled) and the pictures. With ``kernel_size`` 3 each shrinks what it sees by a
    pixel on every side; outside the frame there are zeros.
    """

    def __init__(self, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(_HIDDEN + 4 + 6, 24, kernel_size, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.conv2 = nn.Conv2d(24, 16, kernel_size, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.conv3 = nn.Conv2d(16 + 6, 12, kernel_size, bias=False)
        self.bn3 = nn.BatchNorm2d(12)
        self.conv4 = nn.Conv2d(12, 4, kernel_size, bias=True)
        self.reach = Reach(half=3, full=2) if kernel_size == 3 else Reach(half=0, full=0)

    def forward(self, src: Tensor, bgr: Tensor, coarse: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Alpha 1 x 1 x H x W and foreground 1 x 3 x H x W, both 0..1. ``coarse``: 1 x 36 x h x w, hidden, alpha
        and residual; ``chosen``: H/4 x W/4, bool."""
        by_tiles = src.device.type == "cpu"
        canvas = (self.in_tiles if by_tiles else self.in_bands)(src, bgr, coarse, chosen)
        return canvas[:, :1], canvas[:, 1:]

    def in_tiles(self, src: Tensor, bgr: Tensor, coarse: Tensor, chosen: Tensor) -> Tensor:
        """Alpha and foreground, 1 x 4 x H x W: computes little beyond the chosen patches, in many steps."""
        frame = TiledFrame(src, bgr, coarse)
        canvas = frame.upsampled()
        for tiles in tiles_of(chosen, self.reach):
            pictures = frame.pictures(tiles, self.reach)
            half, full = frame.half_tiles(tiles, self.reach, pictures), frame.full_tiles(self.reach, pictures)
            frame.put(canvas, tiles, self.refine(half, full))
        return canvas

    def in_bands(self, src: Tensor, bgr: Tensor, coarse: Tensor, chosen: Tensor) -> Tensor:
        """The same by computing every patch, in few steps; what is not chosen is dropped."""
        bands = Bands(src, bgr, coarse, self.reach)
        canvas = bands.upsampled()
        for rows in bands.rows():
            bands.put(canvas, rows, chosen, self.refine(bands.half(rows), bands.full(rows)))
        return canvas

    def refine(self, half: Tensor, full: Tensor) -> Tensor:
        """N x 4 x 4S x 4T from N x 42 x 2S + 2 reach x 2T + 2 reach and N x 6 x 4S + 2 reach x 4T + 2 reach."""
        seen = nnf.relu(self.bn1(self.conv1(half)), inplace=True)
        seen = nnf.relu(self.bn2(self.conv2(seen)), inplace=True)
        seen = nnf.relu(self.bn3(self.conv3(_doubled_beside(seen, full))), inplace=True)
        refined: Tensor = self.conv4(seen)
        return refined.float()


class MobileNetV2(nn.Module):
    """Features at 1/16 (320 channels), 1/8, 1/4 and 1/2 of the input, which has 6 channels."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv_relu6(6, 32, stride=2)]
        channels = 32
        for expansion, out, blocks, stride in _INVERTED:
            for block in range(blocks):
                dilation = 2 if len(layers) >= _DILATED_FROM else 1
                layers.append(InvertedResidual(channels, out, expansion, 1 if block else stride, dilation))
                channels = out
        self.features = nn.Sequential(*layers)

    def forward(self, pair: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        half = self.features[:2](pair)
        quarter = self.features[2:4](half)
        eighth = self.features[4:7](quarter)
        return self.features[7:](eighth), eighth, quarter, half


class InvertedResidual(nn.Module):
    """Expand, filter each channel by itself, project; with a shortcut where the shape stays."""

    def __init__(self, channels: int, out: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        inner = channels * expansion
        steps: list[nn.Module] = [] if expansion == 1 else [_conv_relu6(channels, inner, kernel=1)]
        steps += [
            _conv_relu6(inner, inner, stride=stride, dilation=dilation, groups=inner),
            nn.Conv2d(inner, out, 1, bias=False),
            nn.BatchNorm2d(out),
        ]
        self.conv = nn.Sequential(*steps)
        self.shortcut = stride == 1 and channels == out

    def forward(self, seen: Tensor) -> Tensor:
        out: Tensor = self.conv(seen)
        return out.add_(seen) if self.shortcut else out


def _conv_relu6(
    channels: int, out: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU6(inplace=True),
    )


class ResNet(nn.Module):
    """Features at 1/16 (2048 channels, the last stage dilated instead of strided), 1/8, 1/4 and 1/2."""

    def __init__(self, blocks: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(6, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(64, 64, blocks[0], 1, 1)
        self.layer2 = _stage(256, 128, blocks[1], 2, 1)
        self.layer3 = _stage(512, 256, blocks[2], 2, 1)
        self.layer4 = _stage(1024, 512, blocks[3], 1, 2)

    def forward(self, pair: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        half = nnf.relu(self.bn1(self.conv1(pair)), inplace=True)
        quarter = self.layer1(nnf.max_pool2d(half, 3, 2, 1))
        eighth = self.layer2(quarter)
        return self.layer4(self.layer3(eighth)), eighth, quarter, half


def _stage(channels: int, inner: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    # The first block of a dilated stage is not dilated itself: it still reads undilated features.
    first = Bottleneck(channels, inner, stride, 1)
    return nn.Sequential(first, *(Bottleneck(4 * inner, inner, 1, dilation) for _ in range(blocks - 1)))


class Bottleneck(nn.Module):
    """1 x 1 down, 3 x 3 (strided or dilated), 1 x 1 up, over a shortcut."""

    def __init__(self, channels: int, inner: int, stride: int, dilation: int) -> None:
        super().__init__()
        out = 4 * inner
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, seen: Tensor) -> Tensor:
        out = nnf.relu(self.bn1(self.conv1(seen)), inplace=True)
        out = nnf.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        shortcut = seen if self.downsample is None else self.downsample(seen)
        return nnf.relu(out.add_(shortcut), inplace=True)


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling: 1 x 1, three dilated 3 x 3, and the mean of the frame."""

    def __init__(self, channels: int, out: int = 256) -> None:
        super().__init__()
        flat = nn.Conv2d(channels, out, 1, bias=False)
        wide = [nn.Conv2d(channels, out, 3, padding=rate, dilation=rate, bias=False) for rate in (3, 6, 9)]
        branches = [nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)) for conv in (flat, *wide)]
        mean = nn.Conv2d(channels, out, 1, bias=False)
        branches.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), mean, nn.BatchNorm2d(out), nn.ReLU(inplace=True)))
        self.convs = nn.ModuleList(branches)
        self.project = nn.Sequential(
            nn.Conv2d(len(branches) * out, out, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
        )

    def forward(self, seen: Tensor) -> Tensor:
        found = [branch(seen) for branch in self.convs]
        found[-1] = found[-1].expand_as(found[0])
        projected: Tensor = self.project(torch.cat(found, 1))
        return projected


class Decoder(nn.Module):
    """Upsamples step by step, with the backbone's features and at last its input beside; 37 channels out."""

    def __init__(self, features: tuple[int, ...]) -> None:
        super().__init__()
        eighth, quarter, half = features
        self.conv1 = nn.Conv2d(256 + eighth, 128, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128 + quarter, 64, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64 + half, 48, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(48)
        self.conv4 = nn.Conv2d(48 + 6, _HIDDEN + 5, 3, padding=1)

    def forward(self, deepest: Tensor, eighth: Tensor, quarter: Tensor, half: Tensor, pair: Tensor) -> Tensor:
        seen = nnf.relu(self.bn1(self.conv1(_joined(deepest, eighth))), inplace=True)
        seen = nnf.relu(self.bn2(self.conv2(_joined(seen, quarter))), inplace=True)
        seen = nnf.relu(self.bn3(self.conv3(_joined(seen, half))), inplace=True)
        out: Tensor = self.conv4(_joined(seen, pair))
        return out


def _doubled_beside(seen: Tensor, full: Tensor) -> Tensor:
    """Every pixel of ``seen`` N x C x S x T four times, beside ``full`` N x 6 x 2S x 2T; channels last."""
    count, channels, rows, columns = seen.shape
    joined = seen.new_empty((count, rows, 2, columns, 2, channels + full.shape[1]))
    joined[..., :channels] = seen.permute(0, 2, 3, 1)[:, :, None, :, None]
    joined[..., channels:] = full.permute(0, 2, 3, 1).view(count, rows, 2, columns, 2, -1)
    return joined.view(count, 2 * rows, 2 * columns, -1).permute(0, 3, 1, 2)


def _joined(small: Tensor, feature: Tensor) -> Tensor:
    grown = nnf.interpolate(small, feature.shape[-2:], mode="bilinear")
    return torch.cat([grown, feature.to(grown.dtype)], 1)
