"""What differs between the devices that torch computes on: the one place that says so.

CUDA and AMD's ROCm, which torch calls cuda too, have every type. Apple's MPS has no float64, and not every Intel
XPU has it, so coordinates are float32 there: three thousandths of a pixel at 8K.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

_WITH_FLOAT64 = ("cpu", "cuda")
_WITH_FAST_HALF = ("cuda",)
_GIB = 1 << 30
_UNMEASURED = "Cleanplate was never measured on it, and uses it only where --device names it."


@dataclass(frozen=True)
class FoundDevice:
    """A device that torch reports: the name that ``--device`` takes, what it is, and what is known to be slow or
    was never measured there."""

    name: str
    label: str
    note: str = ""


def coordinate_type(device: torch.device) -> torch.dtype:
    """The type in which places in a picture are computed."""
    return torch.float64 if device.type in _WITH_FLOAT64 else torch.float32


def automatic_precision(device: torch.device) -> str:
    """The precision of networks where nobody chose one. Never bfloat16, also on a CPU that has it: a farm of
    different machines would make different mattes (by up to 0.1 in alpha, measured on one 4K frame)."""
    return "float16" if device.type in _WITH_FAST_HALF else "float32"


def has_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` computes in bfloat16. A CPU that only imitates it takes three times as long as in float32
    (one convolution, forwards and backwards, measured on a processor with AVX-512 but without its BF16 part)."""
    if device.type == "cpu":
        # An older torch cannot say.
        capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return device.type in _WITH_FAST_HALF


def device_counts() -> dict[str, int]:
    """How many devices of each kind torch can use here."""
    return {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "xpu": torch.xpu.device_count() if torch.xpu.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }


def found_devices() -> Iterator[FoundDevice]:
    """The accelerators of this machine."""
    counts, maker = device_counts(), "ROCm" if torch.version.hip else "CUDA"
    for index in range(counts["cuda"]):
        facts = torch.cuda.get_device_properties(index)
        memory = f"{facts.total_memory / _GIB:.0f} GB"
        yield FoundDevice(name=f"cuda:{index}", label=f"{facts.name}, {memory}, {maker}")
    for index in range(counts["xpu"]):
        yield FoundDevice(name=f"xpu:{index}", label=torch.xpu.get_device_name(index), note=_UNMEASURED)
    if counts["mps"]:
        yield FoundDevice(name="mps", label="Apple GPU", note=_UNMEASURED)
