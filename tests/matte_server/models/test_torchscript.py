"""TorchScript archives are read for their tensors, and nothing that they hold is executed."""

from __future__ import annotations

import pickletools
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from matte_server.errors import MatteError
from matte_server.models import weights_reader
from matte_server.models.torchscript import ForbiddenArchive, read_tensors, tensor_names

WRITTEN = "written_by_the_file.bin"


class Inner(nn.Module):
    """Tensors of the types that weights have, strides, nothing at all, and attributes that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(24, dtype=torch.float32).reshape(2, 3, 4))
        self.register_buffer("halves", torch.tensor([0.5, -2.0], dtype=torch.float16))
        self.register_buffer("steps", torch.tensor(7))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("turned", torch.arange(6, dtype=torch.float64).reshape(2, 3).t())
        self.register_buffer("nothing", torch.empty(0))
        self.scale: float = 0.25
        self.mode: str = "sampling"
        self.sizes: list[int] = [1, 2, 3]


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.inner = Inner()

    def forward(self, picture: Tensor) -> Tensor:
        return picture + self.inner.weight.sum() * self.inner.scale


def saved(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module.eval()).save(str(path))  # type: ignore[no-untyped-call]
    return path


def test_the_tensors_are_those_that_torch_itself_reads(tmp_path: Path) -> None:
    path = saved(Outer(), tmp_path / "outer.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torch.jit.load(str(path)).state_dict()  # type: ignore[no-untyped-call]
    found = read_tensors(path)
    assert set(found) == set(expected) == tensor_names(path)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape, name
        assert torch.equal(found[name], tensor), name


# The archives are made in a process of their own: what they do while they are made is no news.
_EVIL = f"""
import sys, warnings
from typing import Tuple
warnings.simplefilter("ignore")
import torch
from torch import Tensor, nn
class Evil(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.training = False
    def forward(self, x: Tensor) -> Tensor:
        return x
    @torch.jit.export
    def __getstate__(self) -> Tuple[Tensor, bool]:
        return self.weight, self.training
    @torch.jit.export
    def __setstate__(self, state: Tuple[Tensor, bool]) -> None:
        self.weight = state[0]
        self.training = state[1]
        written = torch.from_file("{WRITTEN}", True, 4, dtype=torch.uint8)
        written.add_(65)
        print(written)
class Around(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Evil()
        self.fine = nn.Linear(2, 2)
    def forward(self, x: Tensor) -> Tensor:
        return self.fine(x)
torch.jit.script(Evil()).save("alone.pt")
torch.jit.script(Around()).save("inside another.pt")
"""


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of archives that act while they are restored, made by one process: most of its time is torch's
    import."""
    folder = tmp_path_factory.mktemp("traps")
    # From a file: torch reads a module's source.
    (folder / "make.py").write_text(_EVIL, encoding="utf-8")
    subprocess.run([sys.executable, "make.py"], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("kind", ["alone", "inside another"])
def test_a_module_that_restores_itself_is_refused_and_does_nothing(
    kind: str, traps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = traps / f"{kind}.pt"
    monkeypatch.chdir(tmp_path)
    assert weights_reader.recognise_file(path) is None
    with pytest.raises(MatteError, match="restores itself by code") as caught:
        weights_reader.read_weights(path)
    assert caught.value.code == "bad_weights"
    assert not (tmp_path / WRITTEN).exists()
    # The archive is a trap indeed: torch's own reader steps into it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    assert (tmp_path / WRITTEN).exists()


def changed(source: Path, target: Path, change: Callable[[str, bytes], bytes], compression: int = 0) -> Path:
    """An archive with other contents of some of its files."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename.rpartition("/")[2], old.read(entry)))
    return target


def listing(change: Callable[[bytes], bytes]) -> Callable[[str, bytes], bytes]:
    return lambda name, data: change(data) if name == "data.pkl" else data


def _without_end(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00exittR.", "it calls os.system"),
        (lambda data: b"\x80\x02cbuiltins\neval\n)\x81.", "it makes a builtins.eval"),
        (lambda data: b"\x80\x02(cos\nsystem\no.", "the instruction OBJ"),
        (lambda data: b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "the instruction STACK_GLOBAL"),
        (lambda data: data.replace(b"_rebuild_tensor_v2", b"_rebuild_parameter"), "it calls torch._utils"),
        (lambda data: data.replace(b"FloatStorage", b"EvilsStorage"), "a storage of torch.EvilsStorage"),
        (_without_end, "damaged|no end"),
        (lambda data: b"\x80\x02K\x01.", "it holds no module"),
        (lambda data: b"", "damaged|no end"),
    ],
)  # fmt: skip
def test_what_no_tensor_needs_is_refused(change: Callable[[bytes], bytes], words: str, tmp_path: Path) -> None:
    good = saved(Outer(), tmp_path / "good.pt")
    bad = changed(good, tmp_path / "bad.pt", listing(change))
    with pytest.raises(ForbiddenArchive, match=words):
        read_tensors(bad)
    assert weights_reader.recognise_file(bad) is None


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (b"K\x02K\x03K\x05", "beyond its storage|more elements"),
        (b"K\x02K\x03J\xff\xff\xff\xff", "whole numbers"),
        (b"K\x02K\x03J\xff\xff\xff\x7f", "beyond its storage|more elements"),
    ],
)
def test_a_tensor_does_not_reach_beyond_its_storage(shape: bytes, words: str, tmp_path: Path) -> None:
    good = saved(Outer(), tmp_path / "good.pt")

    def larger(data: bytes) -> bytes:
        assert data.count(b"(K\x02K\x03K\x04t") == 1
        return data.replace(b"(K\x02K\x03K\x04t", b"(" + shape + b"t")

    with pytest.raises(ForbiddenArchive, match=words):
        read_tensors(changed(good, tmp_path / "bad.pt", listing(larger)))


def test_storages_are_as_long_as_they_say_and_lie_uncompressed(tmp_path: Path) -> None:
    good = saved(Outer(), tmp_path / "good.pt")

    def shorter(name: str, data: bytes) -> bytes:
        return data[:-4] if name == "0" else data

    with pytest.raises(ForbiddenArchive, match="the storage 0 has"):
        read_tensors(changed(good, tmp_path / "short.pt", shorter))
    with pytest.raises(ForbiddenArchive, match="the storage"):
        read_tensors(changed(good, tmp_path / "packed.pt", lambda name, data: data, zipfile.ZIP_DEFLATED))


def test_tensors_that_share_a_storage_cannot_fill_the_memory(tmp_path: Path) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            one = torch.zeros(100_000)
            for number in range(10):
                self.register_buffer(f"buffer{number}", one)

        def forward(self, picture: Tensor) -> Tensor:
            return picture

    path = saved(Shared(), tmp_path / "shared.pt")
    # Ten times the same 400 kB: the archive holds them once.
    assert path.stat().st_size < 500_000 and len(tensor_names(path)) == 10
    with pytest.raises(ForbiddenArchive, match="many times its own size"):
        read_tensors(path)


def test_a_storage_is_never_a_path(tmp_path: Path) -> None:
    good = saved(Outer(), tmp_path / "good.pt")

    def elsewhere(data: bytes) -> bytes:
        return data.replace(b"X\x01\x00\x00\x000", b"X\x04\x00\x00\x00../0", 1)

    with pytest.raises(ForbiddenArchive, match="a storage of"):
        read_tensors(changed(good, tmp_path / "bad.pt", listing(elsewhere)))


def test_the_changed_listings_are_still_listings(tmp_path: Path) -> None:
    """The tests above change what the archive says, and do not merely break it."""
    good = saved(Outer(), tmp_path / "good.pt")
    with zipfile.ZipFile(good) as archive:
        data = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    for other in (
        data.replace(b"FloatStorage", b"EvilsStorage"),
        data.replace(b"K\x02K\x03K\x04t", b"K\x02K\x03K\x05t"),
    ):
        assert other != data and [code.name for code, _, _ in pickletools.genops(other)][-1] == "STOP"
