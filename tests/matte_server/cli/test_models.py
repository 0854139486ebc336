"""``cleanplate models``, and both published networks from the command line to the EXR."""

from __future__ import annotations

import functools
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

import matte_server
from matte_server.cli.main import main
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.models.fetch import fetch, source_of
from matte_server.models.learned import LearnedFacts
from matte_server.models.weights_reader import read_weights
from matte_server.pixels.device_facts import has_bfloat16
from matte_server.server.local_server import LocalServer

SIZE = (90, 122)
PACKAGED = Path(matte_server.__file__).parent / "models" / "data" / "cleanplate.safetensors"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served on the loopback, and its address."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_list_says_what_each_model_needs(models_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "not for paid work" in said and "netG_epoch_12.pth" in said and str(models_folder) in said
    assert main(["models", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["models"]}
    assert [name for name, entry in listed.items() if entry["ready"]] == ["cleanplate", "difference"]
    assert not listed["v1"]["commercial_use"] and listed["v2"]["commercial_use"]


def test_use_makes_a_model_ready(models_folder: Path, v2_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "use", str(v2_file)]) == 0
    assert "V2 with MobileNetV2" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["models"]}
    assert listed["v2"]["ready"] and listed["v2"]["weights"] == [str(v2_file)]


def test_use_refuses_a_bad_file(models_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "use", str(tmp_path / "no.pth")]) == 2
    said = capsys.readouterr().err
    assert "missing_weights" in said and said.endswith(" Correct the path.\n")


def test_fetch_downloads_and_checks(
    models_folder: Path, v2_file: Path, shelf: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, address = shelf
    os.link(v2_file, folder / v2_file.name)
    assert main(["models", "fetch", "v2_mobilenetv2", "--from", f"{address}/{v2_file.name}"]) == 0
    assert (models_folder / v2_file.name).read_bytes() == v2_file.read_bytes()
    assert [path.name for path in models_folder.iterdir()] == [v2_file.name]


def test_what_is_there_is_not_downloaded_again(models_folder: Path, shelf: tuple[Path, str]) -> None:
    models_folder.mkdir()
    (models_folder / "mine.pth").write_bytes(b"mine")
    source = source_of("v2_mobilenetv2", f"{shelf[1]}/mine.pth")
    assert fetch(source, lambda done, whole: None).read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["v2_resnet50", "deeplabv3_resnet101"])
def test_fetched_weights_of_something_else_are_not_kept(
    name: str, models_folder: Path, v2_file: Path, shelf: tuple[Path, str]
) -> None:
    os.link(v2_file, shelf[0] / "other.pth")
    with pytest.raises(MatteError) as caught:
        fetch(source_of(name, f"{shelf[1]}/other.pth"), lambda done, whole: None)
    assert caught.value.code == "bad_weights"
    assert list(models_folder.iterdir()) == []


def test_a_failed_download_leaves_nothing(models_folder: Path, shelf: tuple[Path, str]) -> None:
    with pytest.raises(MatteError) as caught:
        fetch(source_of("v2_resnet50", f"{shelf[1]}/nothing.pth"), lambda done, whole: None)
    assert caught.value.code == "download_failed" and "cannot be downloaded" in caught.value.message
    assert list(models_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "address", "code"),
    [
        ("v1", "", "no_source"),
        ("v9", "", "no_source"),
        ("v2_resnet50", "http://example.org/a.pth", "bad_address"),
        ("v2_resnet50", "file:///etc/passwd", "bad_address"),
    ],
)
def test_what_cannot_be_fetched(name: str, address: str, code: str) -> None:
    with pytest.raises(MatteError) as caught:
        source_of(name, address)
    assert caught.value.code == code


@pytest.fixture(scope="module")
def server(v2_file: Path, v1_file: Path) -> Iterator[str]:
    with LocalServer(("--device", "cpu", "--root", str(v2_file.parent), "--root", str(v1_file.parent))) as own:
        yield own.endpoint.address


def written(folder: Path) -> tuple[Path, Path, Path]:
    """A plate, its clean plate and a core matte as EXRs."""
    height, width = SIZE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wall = np.stack([0.3 + 0.2 * np.sin(x / 5), 0.4 + 0.2 * np.sin(y / 4), 0.2 + 0.1 * np.cos((x + y) / 3)], -1)
    disc = ((x - 60) ** 2 + (y - 45) ** 2 < 25**2)[..., None]
    core = ((x - 60) ** 2 + (y - 45) ** 2 < 20**2).astype(np.float32)[..., None]
    window = Window(0, 0, width, height)
    paths = []
    for name, pixels, channels in (
        ("plate", np.where(disc, np.float32(1.4), wall), ("R", "G", "B")),
        ("clean", wall, ("R", "G", "B")),
        ("core", np.repeat(core, 3, -1), ("R", "G", "B")),
    ):
        path = folder / f"{name}.exr"
        exr.write_image(path, Image(pixels.astype(np.float32), channels, window, window))
        paths.append(path)
    return paths[0], paths[1], paths[2]


def matte(folder: Path, server: str, *more: str) -> tuple[int, Path]:
    plate, clean, _ = written(folder)
    out = folder / "matte.exr"
    fixed = ["matte", str(plate), "--clean", str(clean), "-o", str(out), "--server", server, "--align", "none"]
    return main([*fixed, *more]), out


def test_v2_from_the_command_line_with_a_server_of_its_own(
    v2_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are named as people name them: relative to where they are."""
    monkeypatch.chdir(v2_file.parent)
    # An address where nobody listens, so that the command starts a server for itself.
    monkeypatch.setenv("CLEANPLATE_SERVER", "tcp://127.0.0.1:9")
    code, out = matte(tmp_path, "", "--model", "v2", "--weights", v2_file.name, "--layer-confidence")
    assert code == 0
    result = exr.read_image(out)
    assert result.pixels.shape[:2] == SIZE
    alpha = result.pixels[..., result.channels.index("A")]
    assert np.isfinite(result.pixels).all() and float(alpha.min()) >= 0.0 and 0.0 < float(alpha.max()) <= 1.0


def test_v1_from_the_command_line(server: str, v1_file: Path, tmp_path: Path) -> None:
    core = written(tmp_path)[2]
    # V1 works at 512 x 512. bfloat16 takes half of the time where a processor has it, and three times elsewhere.
    precision = "bfloat16" if has_bfloat16(torch.device("cpu")) else "float32"
    words = ("--model", "v1", "--weights", str(v1_file), "--core", str(core), "--precision", precision)
    code, out = matte(tmp_path, server, *words)
    assert code == 0
    alpha = exr.read_image(out).pixels[..., 3]
    # The core matte is alpha 1 whatever the network says.
    assert float(alpha[45, 60]) == 1.0 and float(alpha[0, 0]) == 0.0


def test_wrong_weights_from_the_command_line(
    server: str, v1_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = matte(tmp_path, server, "--model", "v2", "--weights", str(v1_file))
    said = capsys.readouterr().err
    assert code == 2 and said.count("looks like the weights of V1, not of v2") == 1 and not out.exists()


def test_what_learned_weights_say_of_themselves_does_not_act_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = LearnedFacts(
        model="cleanplate", base="b", licence="l\x1b]0;title\x07", version="1", frames=(1,), true_frames=(),
        inputs="i", steps=3, seed=0, first_error=0.5, error=0.25, device="\x1b[2Jcpu",
    )  # fmt: skip
    path = tmp_path / "made.learned"
    path.write_bytes(save(read_weights(PACKAGED), facts.metadata()))
    assert main(["models", "show", str(path)]) == 0
    said = capsys.readouterr().out
    assert "made by: Cleanplate 1 on \\x1b[2Jcpu\n" in said and "licence: l\\x1b]0;title\\x07\n" in said
    assert "\x1b" not in said
