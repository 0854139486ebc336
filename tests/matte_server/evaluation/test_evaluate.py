"""``cleanplate evaluate`` on files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from matte_server.cli.main import main
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.evaluation.evaluate import evaluate
from matte_server.io.colour import from_scene_linear
from matte_server.io.exr import write_image


def write_alpha(path: Path, value: int) -> None:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), np.full((16, 24), value, np.uint8))


def write_rgba(path: Path, colour: float, alpha: float) -> None:
    pixels = np.full((16, 24, 4), colour, np.float32)
    pixels[..., 3] = alpha
    window = Window(0, 0, 24, 16)
    write_image(path, Image(pixels, ("R", "G", "B", "A"), window, window, premultiplied=True))


def test_a_folder_by_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for frame, wrong in ((1, 0), (2, 51)):
        write_alpha(tmp_path / "truth" / f"shot.{frame:04d}.png", 255)
        write_alpha(tmp_path / "result" / f"shot.{frame:04d}.png", 255 - wrong)
    report = tmp_path / "figures.json"
    folders = [str(tmp_path / "truth"), str(tmp_path / "result")]
    code = main(["evaluate", *folders, "--sequence", "--json", str(report)])
    assert code == 0
    facts = json.loads(report.read_text())
    assert [row["frame"] for row in facts["frames"]] == ["shot.0001", "shot.0002"]
    # 51 / 255 = 0.2, stored exactly enough for float32.
    assert facts["frames"][1]["mad"] == pytest.approx(0.2, abs=1e-6)
    assert facts["mean"]["mad"] == pytest.approx(0.1, abs=1e-6)
    assert facts["frames"][1]["dtssd"] == pytest.approx(20.0, abs=1e-4)
    assert "mean" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("truth", "results"),
    [("both/truth.####.png", "both/matte.####.png"), ("truths", "mattes"), ("truths", "both/matte.####.png")],
)
def test_truth_and_matte_of_a_frame_belong_together(tmp_path: Path, truth: str, results: str) -> None:
    """By the frame number, where no name fits; one folder may hold both."""
    for frame, value in ((1, 255), (2, 204)):
        for name in ("both/truth", "truths/truth"):
            write_alpha(tmp_path / f"{name}.{frame:04d}.png", 255)
        write_alpha(tmp_path / "both" / f"matte.{frame:04d}.png", value)
        write_alpha(tmp_path / "mattes" / f"m_{frame}.png", value)
    rows = evaluate(tmp_path / truth, tmp_path / results, sequence=True)
    assert [row["frame"] for row in rows] == ["truth.0001", "truth.0002"]
    # 51 / 255 = 0.2.
    assert [row["mad"] for row in rows] == [0.0, pytest.approx(0.2, abs=1e-6)]


def test_an_exr_gives_its_foreground_unpremultiplied(tmp_path: Path) -> None:
    write_rgba(tmp_path / "truth.exr", 0.25, 0.5)
    write_rgba(tmp_path / "result.exr", 0.30, 0.5)
    row = evaluate(tmp_path / "truth.exr", tmp_path / "result.exr", sequence=False)[0]
    # 0.6 against 0.5 unpremultiplied; the files are half-float, 1e-3 relative.
    assert row["fg_mse"] == pytest.approx(0.01, rel=5e-3)
    assert row["mad"] == 0.0


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda folder: (folder / "result" / "b.png").unlink(), "missing_result"),
        (lambda folder: cv2.imwrite(str(folder / "result" / "b.png"), np.zeros((8, 8), np.uint8)), "size_mismatch"),
        (lambda folder: (folder / "result" / "b.png").write_bytes(b"nothing"), "unreadable"),
    ],
)
def test_what_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: object, code: str
) -> None:
    for name in ("a", "b"):
        write_alpha(tmp_path / "truth" / f"{name}.png", 255)
        write_alpha(tmp_path / "result" / f"{name}.png", 255)
    assert callable(spoil)
    spoil(tmp_path)
    assert main(["evaluate", str(tmp_path / "truth"), str(tmp_path / "result")]) == 2
    assert code in capsys.readouterr().err


def test_folders_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path / "nowhere"), str(tmp_path)]) == 2
    assert "missing_file" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path), str(tmp_path)]) == 2
    assert "no_frames" in capsys.readouterr().err


def square(data: Window, display: Window, shown: Window) -> Image:
    """A matte that is 1 in the window ``shown`` of the plane."""
    pixels = np.zeros((data.height, data.width, 4), np.float32)
    both = data.intersect(shown)
    pixels[both.within(data)] = 1.0
    return Image(pixels, ("R", "G", "B", "A"), data, display)


@pytest.mark.parametrize(
    "data",
    [
        Window(0, 0, 24, 16),
        Window(-4, -3, 32, 22),  # overscan
        Window(4, 3, 10, 8),  # what it shows alone
        Window(4, -3, 24, 16),  # as large as the truth, and elsewhere
    ],
)
@pytest.mark.parametrize("moved", [0, 2])
def test_pictures_lie_on_each_other_by_their_windows(tmp_path: Path, data: Window, moved: int) -> None:
    """The truth is a render of the frame, the result has the plate's data window. By their first pixels alone,
    those of one size were scored beside each other and others refused."""
    display = Window(0, 0, 24, 16)
    write_image(tmp_path / "truth.exr", square(display, display, Window(6, 4, 6, 5)))
    write_image(tmp_path / "result.exr", square(data, display, Window(6 + moved, 4, 6, 5)))
    rows = evaluate(tmp_path / "truth.exr", tmp_path / "result.exr", sequence=False)
    # Two columns of 5 pixels are missing and two are too many, where it is moved by two; 384 pixels.
    assert rows[0]["mad"] == pytest.approx(10 * moved / 384, abs=1e-7)


def test_frames_lie_on_each_other_whatever_their_data_windows_are(tmp_path: Path) -> None:
    """What is drawn stands still and the data windows of truth and result follow something else: dtSSD compared
    pixels of other places, or the frames were refused as of other sizes."""
    display = Window(0, 0, 24, 16)
    for frame, data in enumerate((Window(2, 2, 16, 10), Window(4, 3, 16, 10), Window(0, 0, 20, 14))):
        write_image(tmp_path / f"truth.{frame}.exr", square(data, display, Window(6, 4, 6, 5)))
        write_image(tmp_path / f"matte.{frame}.exr", square(data, display, Window(8, 4, 6, 5)))
    rows = evaluate(tmp_path / "truth.#.exr", tmp_path / "matte.#.exr", sequence=True)
    assert [row["mad"] for row in rows] == [pytest.approx(20 / 384, abs=1e-7)] * 3
    assert [row["dtssd"] for row in rows[1:]] == [0.0, 0.0]


def test_a_frame_of_a_sequence_that_has_another_size_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for frame, window in enumerate((Window(0, 0, 24, 16), Window(0, 0, 12, 8))):
        for name in ("truth", "matte"):
            write_image(tmp_path / f"{name}.{frame}.exr", square(window, window, Window(2, 2, 3, 3)))
    assert main(["evaluate", *(str(tmp_path / f"{name}.#.exr") for name in ("truth", "matte")), "--sequence"]) == 2
    assert "truth.0.exr is 24x16, but truth.1.exr is 12x8." in " ".join(capsys.readouterr().err.split())


def test_foregrounds_are_compared_in_scene_linear_light(tmp_path: Path) -> None:
    """A PNG is encoded: its codes, taken for light, were off by 0.1 from the same picture as an EXR."""
    window = Window(0, 0, 24, 16)
    pixels = np.full((16, 24, 4), 0.18, np.float32)
    pixels[..., 3] = 0.5
    image = Image(pixels, ("R", "G", "B", "A"), window, window)
    for name in ("truth.exr", "result.exr"):
        write_image(tmp_path / name, image)
    write_image(tmp_path / "result.png", from_scene_linear(image, "srgb"))
    for name in ("result.exr", "result.png"):
        row = evaluate(tmp_path / "truth.exr", tmp_path / name, sequence=False)[0]
        # 16 bits of an encoded value: 1e-5 of light; half floats: 1e-4.
        assert row["fg_mse"] == pytest.approx(0.0, abs=1e-7) and row["mad"] == pytest.approx(0.0, abs=1e-4)
