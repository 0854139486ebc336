"""Colourspaces: what goes in comes back in the artist's own space, and alpha does not care which that was."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
import torch
from matte_link.options import MatteOptions

from matte_server.core.image import SCENE_LINEAR, Float32, Guides, Image, PlatePair
from matte_server.core.result import MatteResult
from matte_server.errors import MatteError
from matte_server.frame.pipeline import MattePipeline
from matte_server.io import colour, exr
from matte_server.io.colour import clean_plate_space, default_space, from_scene_linear, resolve, to_scene_linear
from tests.matte_server.pictures import Truth, composed, image

# The bound for half files.
ALPHA_BOUND = 2e-3
# Single pixels may turn over where two explanations of them are about as likely: one in a thousand, by less than
# 0.05. How many do hangs on the weights: with today's 7 of the 13,824 with half files in sRGB and 2 in linear
# light, by 0.007 at most; with those before 3 in ACEScg, 2 in sRGB and 5 with a plate in sRGB beside a clean plate
# in LogC4, by 0.026. The mean is the same.
TURNED = 1e-3
LINEAR = ["linear", "acescg", "aces2065-1"]
LOG = ["logc3", "logc4", "slog3", "slog3.cine", "log3g10", "canonlog2", "canonlog3", "davinci", "vlog", "cineon"]
VIDEO = ["srgb", "rec709", "g22_rec709_scene"]
SPACES = [*LINEAR, *LOG, *VIDEO]

# Published values of 18 % grey, 0 and 0.9 in each curve, from the makers' own papers, on a neutral: primaries and
# white do not matter there beyond adaptation (D55 of Canon's, D60 of ACES).
GREY = {
    "logc3": 0.391007,  # ARRI, LogC curve usage in VFX: EI 800
    "logc4": 0.278396,  # ARRI, LogC4 specification
    "slog3": 420 / 1023,  # Sony, S-Log3 technical summary
    "slog3.cine": 420 / 1023,
    "log3g10": 1 / 3,  # RED, Log3G10: a third by definition
    "canonlog3": 0.343389,  # Canon, Canon Log 3: 34.3 %
    "davinci": 0.336043,  # Blackmagic, DaVinci Wide Gamut Intermediate
    "vlog": 0.423311,  # Panasonic, V-Log: 42 %, code 433 of 1023
    "srgb": 0.461356,  # IEC 61966-2-1
    "rec709": 0.18 ** (1 / 2.4),
}


SRGB = "sRGB - Texture"


@pytest.mark.parametrize(
    ("asked", "clean_own", "plate_own", "plate_asked", "expected"),
    [
        # Chosen for the clean plate: nothing else matters.
        ("logc4", SRGB, SRGB, "ACEScg", "ARRI LogC4"),
        ("logc4", SRGB, SCENE_LINEAR, "", "ARRI LogC4"),
        # Chosen for the plate alone: it holds for a clean plate whose file is in the same space by its tags.
        ("auto", SRGB, SRGB, "ACEScg", "ACEScg"),
        ("auto", SRGB, SCENE_LINEAR, "ACEScg", SRGB),
        # Nothing was chosen: the clean plate's own tags, whatever the plate's say.
        ("auto", SRGB, SRGB, "", SRGB),
        ("auto", SRGB, SCENE_LINEAR, "", SRGB),
        # The plate is a video, which has neither.
        ("auto", SRGB, "", "", SRGB),
    ],
)
def test_the_clean_plates_space(
    asked: str, clean_own: str, plate_own: str, plate_asked: str, expected: str
) -> None:
    assert clean_plate_space(asked, clean_own, plate_own, plate_asked) == expected


def neutral(value: float) -> Image:
    return image(np.full((2, 2, 3), value, np.float32))


@pytest.mark.parametrize("space", GREY)
def test_mid_grey_is_where_the_maker_says(space: str) -> None:
    found = from_scene_linear(neutral(0.18), space).pixels[0, 0]
    # Makers print four to six places; Canon's and ACES' whites adapt to within a thousandth.
    assert found == pytest.approx([GREY[space]] * 3, abs=1.5e-3)
    back = to_scene_linear(image(np.full((2, 2, 3), GREY[space], np.float32)), space).pixels[0, 0]
    assert back == pytest.approx([0.18] * 3, rel=0.02)


@pytest.mark.parametrize(
    ("space", "red"), [("acescg", (0.61310, 0.07019, 0.02062)), ("aces2065-1", (0.43963, 0.08978, 0.01754))]
)
def test_primaries_are_the_published_matrices(space: str, red: tuple[float, float, float]) -> None:
    """The first column of Rec.709 (D65) to AP1 and AP0 (D60, Bradford), from the ACES documents."""
    source = image(np.array([[[1.0, 0.0, 0.0]]], np.float32))
    assert from_scene_linear(source, space).pixels[0, 0] == pytest.approx(red, abs=2e-4)


def test_cineon_is_kodaks() -> None:
    code = image(np.array([[[95 / 1023, 685 / 1023, 445 / 1023]]], np.float32))
    black, white, middle = to_scene_linear(code, "cineon").pixels[0, 0]
    assert (black, white) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert middle == pytest.approx(0.15, abs=0.02)  # LAD grey, code 445, is a little under 18 %


@pytest.mark.parametrize("space", SPACES)
def test_there_and_back_is_float32_again(space: str) -> None:
    values = np.concatenate([-np.geomspace(0.002, 0.01, 5), [0.0], np.geomspace(1e-4, 40.0, 60)])
    source = image(np.repeat(values[None, :, None], 3, 2).astype(np.float32))
    back = to_scene_linear(from_scene_linear(source, space), space).pixels
    # Curves of slope below 1e-3 at 40 lose some of float32's 24 bits; two end before that.
    limit = {"cineon": 13.0, "canonlog3": 14.0}.get(space, 40.0)
    kept = (values >= (0.0 if space in ("cineon", *VIDEO) else -1.0)) & (values <= limit)
    assert np.allclose(back[0, kept], source.pixels[0, kept], rtol=2e-4, atol=2e-5)


class Solver:
    """The default model, loaded once."""

    def __init__(self) -> None:
        self._pipeline = MattePipeline(torch.device("cpu"))

    def __call__(self, plate: Image, clean: Image) -> MatteResult:
        options = MatteOptions(align="none", match_exposure=False)
        return self._pipeline.solve(
            PlatePair(plate, clean), Guides(), options, check=lambda: None, progress=lambda *stage: None
        )


@dataclass(frozen=True, eq=False)
class Scene:
    """A plate with values up to 8 and its clean plate, scene-linear float; what they are made of; their matte."""

    plate: Image
    clean: Image
    truth: Truth
    reference: MatteResult
    solve: Solver


@pytest.fixture(scope="module")
def scene() -> Scene:
    truth = composed(height=96, width=144, noise=0.004, peak=8.0)
    plate, clean = image(np.maximum(truth.plate, 1e-3)), image(np.maximum(truth.clean, 1e-3))
    solve = Solver()
    return Scene(plate, clean, truth, solve(plate, clean), solve)


def unmixed(plate: Image, clean: Image, truth: Truth) -> Float32:
    """Alpha of the soft band out of the compositing equation, with the foreground that nobody else knows: least
    squares over the channels."""
    line = truth.foreground - clean.rgb
    along = ((plate.rgb - clean.rgb) * line).sum(axis=-1)
    alpha = np.clip(along / np.maximum((line**2).sum(axis=-1), 1e-9), 0.0, 1.0)
    return np.asarray(alpha[(truth.alpha > 0.0) & (truth.alpha < 1.0)], np.float32)


def stored(picture: Image, path: Path, form: exr.ExrFormat | None = None) -> Image:
    exr.write_image(path, picture, form)
    return exr.read_image(path)


def step_of(values: Float32, suffix: str) -> Float32:
    """The distance between two neighbouring numbers of the format, at these values."""
    if suffix == ".exr":
        return np.asarray(np.spacing(np.abs(values).astype(np.float16)), np.float32)
    return np.full_like(values, 1 / (1023 if suffix == ".dpx" else 65535))


FORMATS = (
    [(space, ".exr", "float") for space in SPACES]
    + [(space, ".exr", "half") for space in ("linear", "acescg", "srgb", *LOG)]
    + [("srgb", ".png", ""), ("rec709", ".tif", ""), ("cineon", ".dpx", "")]
)


@pytest.mark.parametrize(("space", "suffix", "depth"), FORMATS)
def test_every_space_gives_the_matte_of_scene_linear(
    scene: Scene, space: str, suffix: str, depth: str, tmp_path: Path
) -> None:
    """The table (shown by ``pytest -rP``): alpha and foreground of a plate stored in each space, against the run on
    scene-linear floats."""
    plate, clean, reference = scene.plate, scene.clean, scene.reference
    if suffix in (".png", ".tif"):
        # Whole numbers hold nothing above 1: compare with the run on what they hold.
        plate, clean = (replace(p, pixels=np.clip(p.pixels, 0, 1)) for p in (plate, clean))
        reference = scene.solve(plate, clean)
    form = exr.ExrFormat(bit_depth=depth or "half")
    found_plate, found_clean = (
        to_scene_linear(stored(from_scene_linear(p, space), tmp_path / f"{name}{suffix}", form), space)
        for p, name in ((plate, "plate"), (clean, "clean"))
    )
    found = scene.solve(found_plate, found_clean)
    alpha = np.abs(found.alpha.pixels - reference.alpha.pixels)
    returned, expected = (from_scene_linear(r.foreground, space).pixels for r in (found, reference))
    # The foreground is the plate itself where the matte is sure, in both runs.
    solid = (reference.alpha.pixels[..., 0] == 1.0) & (found.alpha.pixels[..., 0] == 1.0)
    steps = (np.abs(returned - expected) / step_of(expected, suffix))[solid]
    print(
        f"{space:18} {suffix} {depth:6} alpha max {alpha.max():.1e} mean {alpha.mean():.1e}, "
        f"foreground {steps.max():.2f} steps of the format"
    )
    bound = ALPHA_BOUND
    if space in LOG and depth == "half":
        # Half's step in a log code is 0.1 to 0.5 % of the light (in linear 0.05 %): what the file rounds away moves
        # even the exact equation's alpha by 4e-3 to 9e-3 where subject and wall are nearly alike. The matte may
        # move about as far; it moved 1.31 times as far in LogC4, 1.14 times in LogC3, less in the others.
        exact = np.abs(unmixed(found_plate, found_clean, scene.truth) - unmixed(plate, clean, scene.truth))
        print(f"{'':31} the exact equation's: max {exact.max():.1e}")
        bound = 1.5 * float(exact.max())
    assert np.quantile(alpha, 1 - TURNED) <= bound and alpha.max() < 0.05 and alpha.mean() <= 0.2 * ALPHA_BOUND
    # Rounding to the format is half a step; OCIO's powers are good to 1e-5, most of a step of 16 bits.
    assert steps.max() <= (1.25 if suffix in (".png", ".tif") else 1.0)


def test_a_clean_plate_of_another_space_and_depth(scene: Scene, tmp_path: Path) -> None:
    log = to_scene_linear(stored(from_scene_linear(scene.plate, "srgb"), tmp_path / "plate.exr"), "srgb")
    whole = exr.ExrFormat(bit_depth="float")
    aces = to_scene_linear(stored(from_scene_linear(scene.clean, "logc4"), tmp_path / "clean.exr", whole), "logc4")
    found = scene.solve(log, aces)
    alpha = np.abs(found.alpha.pixels - scene.reference.alpha.pixels)
    assert np.quantile(alpha, 1 - TURNED) <= ALPHA_BOUND and alpha.max() < 0.05


def test_alpha_and_single_channels_are_not_colour() -> None:
    pixels = np.full((2, 2, 4), 0.5, np.float32)
    found = from_scene_linear(image(pixels), "logc3").pixels
    assert (found[..., 3] == 0.5).all() and (found[..., 0] != 0.5).all()
    single = image(np.full((2, 2, 1), 0.5, np.float32))
    assert (from_scene_linear(single, "logc3").pixels == 0.5).all()


@pytest.mark.parametrize(
    ("file_format", "is_float", "space"),
    [
        ("openexr", True, SCENE_LINEAR),
        ("png", False, "sRGB - Texture"),
        ("jpeg", False, "sRGB - Texture"),
        ("tiff", False, "sRGB - Texture"),
        ("tiff", True, SCENE_LINEAR),
        ("dpx", False, "Cineon"),
        ("cineon", False, "Cineon"),
    ],
)
def test_the_rule_per_format(file_format: str, is_float: bool, space: str) -> None:
    assert default_space(file_format, is_float) == space


@pytest.mark.parametrize(
    ("chromaticities", "space"),
    [
        ((0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767), "ACES2065-1"),
        ((0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767), "ACEScg"),
        ((0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329), SCENE_LINEAR),
        ((0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.329), "Linear ARRI Wide Gamut 3"),
        ((0.7, 0.3, 0.2, 0.7, 0.1, 0.1, 0.31, 0.33), "linear, primaries 0.7 0.3 0.2 0.7 0.1 0.1 0.31 0.33"),
        ((1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.3333, 0.3333), "CIE-XYZ-D65"),
        ((0.3, 0.3) * 4, SCENE_LINEAR),
    ],
    ids=["ap0", "ap1", "rec709", "arri", "others", "xyz", "impossible"],
)
def test_an_exrs_primaries_name_its_space(chromaticities: tuple[float, ...], space: str, tmp_path: Path) -> None:
    tag = exr.RawAttribute(type="chromaticities", data=struct.pack("<8f", *chromaticities))
    exr.write_image(tmp_path / "a.exr", replace(neutral(0.5), metadata={"chromaticities": tag}))
    assert exr.read_image(tmp_path / "a.exr").colourspace == space


@pytest.mark.parametrize(("name", "shown"), [("Technicolor", "Technicolor"), ("caf\udce9", r"caf\\udce9")])
def test_unknown_spaces_are_refused_with_names_that_exist(name: str, shown: str) -> None:
    """The second is a name as a terminal that is not UTF-8 sends it."""
    with pytest.raises(MatteError, match=rf"'{shown}' is not in the OCIO config") as caught:
        to_scene_linear(neutral(0.5), name)
    assert caught.value.code == "unknown_colourspace" and "ACEScg" in caught.value.hint


CONFIG = """ocio_profile_version: 2
roles: {{default: raw, scene_linear: {linear}}}
file_rules: [!<Rule> {{name: Default, colorspace: default}}]
displays: {{none: [!<View> {{name: Raw, colorspace: raw}}]}}
colorspaces:
  - !<ColorSpace> {{name: raw, isdata: true}}
  - !<ColorSpace> {{name: {linear}}}
  - !<ColorSpace>
    name: doubled
    to_scene_reference: !<MatrixTransform> {{matrix: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]}}
"""


def test_a_config_of_ones_own_by_option_and_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.ocio"
    path.write_text(CONFIG.format(linear="lin_rec709"))
    monkeypatch.delenv("OCIO", raising=False)
    assert to_scene_linear(neutral(0.2), "doubled", str(path)).pixels[0, 0, 0] == pytest.approx(0.4)
    with pytest.raises(MatteError, match="is not in the OCIO config"):
        to_scene_linear(neutral(0.2), "doubled")
    monkeypatch.setenv("OCIO", str(path))
    assert to_scene_linear(neutral(0.2), "doubled").pixels[0, 0, 0] == pytest.approx(0.4)
    assert from_scene_linear(neutral(0.4), "doubled").pixels[0, 0, 0] == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["twice", "TWICE", "Doubled", "matte_paint"])
def test_a_space_is_known_by_its_aliases_and_roles_in_any_case(tmp_path: Path, name: str) -> None:
    """As OpenColorIO finds it."""
    path, text = tmp_path / "config.ocio", CONFIG.format(linear="lin_rec709")
    path.write_text(text.replace("roles: {", "roles: {matte_paint: doubled, ") + "    aliases: [twice]\n")
    colour.check_space(name, str(path))
    assert to_scene_linear(neutral(0.2), name, str(path)).pixels[0, 0, 0] == pytest.approx(0.4)
    assert from_scene_linear(neutral(0.4), name, str(path)).pixels[0, 0, 0] == pytest.approx(0.2)


def test_a_config_that_is_edited_has_its_new_spaces(tmp_path: Path) -> None:
    """A server that had read it refused them until it was started again."""
    path, text = tmp_path / "config.ocio", CONFIG.format(linear="lin_rec709")
    path.write_text(text)
    for name in ("new_role", "fourfold"):
        with pytest.raises(MatteError, match="is not in the OCIO config"):
            to_scene_linear(neutral(0.2), name, str(path))
    new = text[text.index("  - !<ColorSpace>\n") :].replace("doubled", "fourfold").replace("2", "4")
    path.write_text(text.replace("roles: {", "roles: {new_role: doubled, ") + new)
    os.utime(path, ns=(1, 1))  # two edits may have one time
    assert to_scene_linear(neutral(0.2), "new_role", str(path)).pixels[0, 0, 0] == pytest.approx(0.4)
    assert to_scene_linear(neutral(0.2), "fourfold", str(path)).pixels[0, 0, 0] == pytest.approx(0.8)


def test_what_openimageio_keeps_converts_as_the_built_in_config_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own config is of another kind: its "sRGB - Display", for one, gives other values."""
    random = np.random.default_rng(1)
    values = np.concatenate([random.uniform(low, high, (40, 3)) for low, high in ((-0.2, 1.2), (0, 60), (0, 1e-3))])
    odd = np.array([[np.nan, np.inf, -np.inf], [65504.0, -0.0, 1e-40]])
    sent = image(np.concatenate([values, odd]).astype(np.float32)[None])
    monkeypatch.delenv("OCIO", raising=False)
    own = oiio.ColorConfig.default_colorconfig()
    known = {alias for name in own.getColorSpaceNames() for alias in (name, *own.getAliases(name))}
    assert {"sRGB - Display", "ACEScg"} <= known
    for name in {*colour.ALIASES.values(), "sRGB - Display"} & known - {SCENE_LINEAR}:
        for convert in (to_scene_linear, from_scene_linear):
            found = convert(sent, name).pixels
            with monkeypatch.context() as patched:
                patched.setattr(colour, "_IN_BOTH", frozenset())
                assert found.tobytes() == convert(sent, name).pixels.tobytes(), name


def test_what_openimageio_keeps_of_a_house_is_not_taken_for_the_built_in_config(tmp_path: Path) -> None:
    """With $OCIO it keeps that config while the process lives: here one in which sRGB is something else."""
    config = tmp_path / "config.ocio"
    config.write_text(CONFIG.format(linear="lin_rec709") + "    aliases: [sRGB - Texture]\n")
    script = """
import os, numpy as np
import OpenImageIO as oiio
from matte_server.io.colour import to_scene_linear
from tests.matte_server.pictures import image
oiio.ImageBufAlgo.colorconvert(oiio.ImageBuf(np.zeros((1, 1, 3), np.float32)), "doubled", "raw")
del os.environ["OCIO"]
print(to_scene_linear(image(np.full((1, 1, 3), 0.5)), "srgb").pixels[0, 0, 0])
"""
    environment = {**os.environ, "OCIO": str(config)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(((0.5 + 0.055) / 1.055) ** 2.4, abs=1e-5)  # as OCIO's powers


GRADED = """\
  - !<ColorSpace>
    name: graded
    to_scene_reference: !<FileTransform> {src: grade.spi1d}
"""
HALVED = """\
Version 1
From 0.0 1.0
Length 2
Components 1
{
0.0
0.5
}
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has none")
def test_a_lut_that_became_a_pipe_since_the_last_picture_is_refused(tmp_path: Path) -> None:
    """A worker knows its configs for long, and would wait for whoever writes to the pipe."""
    config, lut = tmp_path / "config.ocio", tmp_path / "grade.spi1d"
    config.write_text(CONFIG.format(linear="lin_rec709") + GRADED)
    lut.write_text(HALVED)
    assert to_scene_linear(neutral(0.2), "graded", str(config)).pixels[0, 0, 0] == pytest.approx(0.1)
    lut.unlink()
    os.mkfifo(lut)
    with pytest.raises(MatteError, match="which it names, is neither a file nor a folder"):
        to_scene_linear(neutral(0.3), "graded", str(config))
    config.unlink()
    with pytest.raises(MatteError, match="There is no OCIO config"):
        to_scene_linear(neutral(0.3), "graded", str(config))


def test_bad_configs_are_refused_in_a_sentence(tmp_path: Path) -> None:
    odd = tmp_path / "odd.ocio"
    odd.write_text(CONFIG.format(linear="a_space_of_our_house"))
    broken = tmp_path / "broken.ocio"
    broken.write_text("this is not a config")
    for path, sentence in (
        (tmp_path / "none.ocio", "There is no OCIO config"),
        (broken, "cannot be read"),
        (odd, "no scene-linear Rec.709 space"),
    ):
        with pytest.raises(MatteError, match=sentence) as caught:
            to_scene_linear(neutral(0.2), "doubled", str(path))
        assert caught.value.code == "bad_ocio_config"


def test_every_short_name_leads_somewhere() -> None:
    for short in colour.ALIASES:
        assert to_scene_linear(neutral(0.3), short).colourspace == SCENE_LINEAR
    assert resolve("  LogC4 ") == resolve("logc4") == "ARRI LogC4"
