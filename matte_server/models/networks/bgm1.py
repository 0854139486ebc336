"""The network of "Background Matting: The World is Your Green Screen" (Sengupta et al., CVPR 2020), called V1 here.

Each input has an encoder of its own; the image's features are combined with each other input's and handed to two
decoders, for alpha and for the foreground. Names and shapes of the parameters are those of the published
checkpoints (without the ``module.`` that their training put in front).

The published forward pass encodes the neighbouring frames (``multi``), then combines the image with the *clean
plate's* features once more where the neighbours' belong, so that neighbours never change its output. This one
computes the same outputs, and leaves out the encoder whose result is not used; its weights are there to be loaded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .folding import fold

CHANNELS = {"image": 3, "back": 3, "seg": 1, "multi": 4}
SIDE = 512
"""Side of the square that the published models were trained on and run at."""
_BASE = 64
_DEEP = 4 * _BASE


class Bgm1(nn.Module):
    """V1; every input N x C x H x W in -1..1, H and W multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.model_enc1 = nn.Sequential(nn.ReflectionPad2d(3), *_conv(3, _BASE, 7), *_conv(_BASE, 128, 3, 2, 1))
        self.model_enc2 = nn.Sequential(*_conv(128, _DEEP, 3, 2, 1))
        self.model_enc_back = _encoder(CHANNELS["back"])
        self.model_enc_seg = _encoder(CHANNELS["seg"])
        self.model_enc_multi = _encoder(CHANNELS["multi"])
        self.comb_back = _combined()
        self.comb_seg = _combined()
        self.comb_multi = _combined()
        self.model_res_dec = nn.Sequential(
            nn.Conv2d(_DEEP + 3 * _BASE, _DEEP, 1, bias=False),
            nn.BatchNorm2d(_DEEP),
            nn.ReLU(inplace=True),
            *(ResidualBlock() for _ in range(7)),
        )
        self.model_res_dec_al = nn.Sequential(*(ResidualBlock() for _ in range(3)))
        self.model_res_dec_fg = nn.Sequential(*(ResidualBlock() for _ in range(3)))
        self.model_al_out = nn.Sequential(
            _doubled(),
            *_conv(_DEEP, 128, 3, 1, 1),
            _doubled(),
            *_conv(128, _BASE, 3, 1, 1),
            nn.ReflectionPad2d(3),
            nn.Conv2d(_BASE, 1, 7),
            nn.Tanh(),
        )
        self.model_dec_fg1 = nn.Sequential(_doubled(), *_conv(_DEEP, 128, 3, 1, 1))
        self.model_fg_out = nn.Sequential(
            _doubled(), *_conv(_DEEP, _BASE, 3, 1, 1), nn.ReflectionPad2d(3), nn.Conv2d(_BASE, 3, 7)
        )

    def forward(self, image: Tensor, back: Tensor, seg: Tensor) -> tuple[Tensor, Tensor]:
        """Alpha (N x 1 x H x W) and foreground (N x 3 x H x W), both in about -1..1; alpha is 0 at -1."""
        shallow = self.model_enc1(image)
        deep = self.model_enc2(shallow)
        clean = self.model_enc_back(back)
        others = torch.cat(
            [
                self.comb_back(torch.cat([deep, clean], 1)),
                self.comb_seg(torch.cat([deep, self.model_enc_seg(seg)], 1)),
                self.comb_multi(torch.cat([deep, clean], 1)),
            ],
            1,
        )
        decoded = self.model_res_dec(torch.cat([deep, others], 1))
        alpha = self.model_al_out(self.model_res_dec_al(decoded))
        colour = self.model_dec_fg1(self.model_res_dec_fg(decoded))
        return alpha, self.model_fg_out(torch.cat([colour, shallow], 1))

    def folded(self) -> Bgm1:
        """Itself, for inference only: see :func:`folding.fold`."""
        fold(self)
        return self


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions over reflected edges, added to their input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), *_conv(_DEEP, _DEEP, 3), nn.ReflectionPad2d(1), *_conv(_DEEP, _DEEP, 3)[:2]
        )

    def forward(self, seen: Tensor) -> Tensor:
        out: Tensor = seen + self.conv_block(seen)
        return out


def _conv(channels: int, out: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, kernel, stride, padding), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def _encoder(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        *_conv(channels, _BASE, 7),
        *_conv(_BASE, 128, 3, 2, 1),
        *_conv(128, _DEEP, 3, 2, 1),
    )


def _combined() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2 * _DEEP, _BASE, 1, bias=False), nn.BatchNorm2d(_BASE), nn.ReLU(inplace=True))


def _doubled() -> nn.Upsample:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
