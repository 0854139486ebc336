"""The networks that run here: the model that each is for, how it is built, and where its weights can be downloaded.

This table is the only list of networks. Recognising a file, searching the models folder, ``cleanplate models
fetch`` and its help all read it. It imports no torch, so that a command's help stays quick; building a network
does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

CLEANPLATE, V1, V2 = "cleanplate", "v1", "v2"
"""Names of the models that have a network."""
SEGMENTATION = "segmentation"
"""The name that weights of DeepLabV3 are kept under. It is no matting model: V1 finds the person with it."""

_V2_RELEASE = "https://github.com/PeterL1n/BackgroundMattingV2/releases/download/v1.0.0/pytorch_{}.pth"
_DEEPLAB_RELEASE = "https://download.pytorch.org/models/deeplabv3_{}.pth"


@dataclass(frozen=True)
class Download:
    """Where a publisher offers weights: the address, the licence in plain words, and the first digits of the
    file's SHA-256 where the publisher states them."""

    address: str
    licence: str
    digest: str = ""


@dataclass(frozen=True)
class Architecture:
    """A network that weights can belong to. ``model``: the registry name of the model that runs it, or
    :data:`SEGMENTATION`. ``label``: its name in messages. ``download``: None where weights cannot be fetched."""

    name: str
    model: str
    label: str
    build: Callable[[], nn.Module]
    download: Download | None = None


def _bgm2(backbone: str) -> nn.Module:
    from .networks.bgm2 import Bgm2

    return Bgm2(backbone)


def _bgm1() -> nn.Module:
    from .networks.bgm1 import Bgm1

    return Bgm1()


def _cleanplate(layout: str) -> nn.Module:
    from .networks.cleanplate import LAYOUTS, CleanplateNet

    return CleanplateNet(LAYOUTS[layout])


def _cleanplate_with(layout: str, name: str, label: str) -> Architecture:
    return Architecture(name=name, model=CLEANPLATE, label=label, build=lambda: _cleanplate(layout))


def _deeplab(backbone: str) -> nn.Module:
    # Only V1 needs torchvision, which takes a second to import.
    from torchvision.models import segmentation

    build = {"resnet50": segmentation.deeplabv3_resnet50, "resnet101": segmentation.deeplabv3_resnet101}[backbone]
    network: nn.Module = build(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    return network


def _v2_with(backbone: str, label: str) -> Architecture:
    return Architecture(
        name=f"v2_{backbone}",
        model=V2,
        label=f"V2 with {label}",
        build=lambda: _bgm2(backbone),
        download=Download(address=_V2_RELEASE.format(backbone), licence="MIT"),
    )


def _deeplab_with(backbone: str, label: str, digest: str) -> Architecture:
    address = _DEEPLAB_RELEASE.format(f"{backbone}_coco-{digest}")
    return Architecture(
        name=f"deeplabv3_{backbone}",
        model=SEGMENTATION,
        label=f"DeepLabV3 with {label}",
        build=lambda: _deeplab(backbone),
        download=Download(address=address, licence="BSD-3-Clause", digest=digest),
    )


ARCHITECTURES: tuple[Architecture, ...] = (
    _v2_with("resnet50", "ResNet-50"),
    _v2_with("mobilenetv2", "MobileNetV2"),
    _v2_with("resnet101", "ResNet-101"),
    Architecture(name="v1", model=V1, label="V1", build=_bgm1),
    _deeplab_with("resnet101", "ResNet-101", "586e9e4e"),
    _deeplab_with("resnet50", "ResNet-50", "cd0a2569"),
    _cleanplate_with("light", "cleanplate", "Cleanplate's own network"),
    _cleanplate_with("detailed", "cleanplate_detailed", "Cleanplate's own network with evidence"),
)
"""In the order of preference where several files for one model are found: ResNet-50 is V2's own compromise."""
FETCHABLE = tuple(each.name for each in ARCHITECTURES if each.download)
"""The names that ``cleanplate models fetch`` takes."""
