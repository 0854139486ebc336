"""The add-on in real Blender, against a real server. Every case is a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matte_link import client as client_module
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError
from matte_link.messages import Inline, Matte
from matte_link.options import MatteOptions
from PIL import Image as PillowImage

import plugin_blender
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from plugin_blender import package, runtime

from .conftest import NOWHERE, Blender, every_version, make_shot, read, write
from .environments import REPOSITORY

# A test runs several Blenders in turn, on machines that may be busy with other things.
pytestmark = pytest.mark.timeout(900)
OUTPUTS = ("Image", "Foreground", "Alpha", "Confidence")


def expected(result: Path) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """What the node's sockets give for a result."""
    pixels, confidence = read(result), read(result, "confidence")
    alpha = pixels[..., 3:]
    return {
        "Image": np.concatenate([pixels[..., :3] * alpha, alpha], -1),
        "Foreground": pixels[..., :3],
        "Alpha": alpha,
        "Confidence": confidence[..., :1],
    }


def assert_outputs(folder: Path, result: Path, frame: int) -> None:
    """Exactly the result: the node only reads, and multiplies once in float32."""
    for name, values in expected(result).items():
        found = read(folder / f"{name}_{frame:04d}.exr")[..., : values.shape[2]]
        np.testing.assert_array_equal(found, values, err_msg=f"{name} {frame}")


@every_version
def test_pixels_in_and_out(blender: Blender, shot: Path, server: LocalServer) -> None:
    height, width = read(shot / "clean.exr").shape[:2]
    core, holdout = np.zeros((height, width, 3)), np.zeros((height, width, 3))
    core[5:15, 5:20] = 1.0
    core[20:25, 5:20] = 0.25
    holdout[10:40, 15:30] = 1.0
    holdout[45:50, 30:40] = 0.5
    write(shot / "core.exr", core)
    write(shot / "holdout.exr", holdout)
    below = np.clip((np.arange(height) - 38.0) / 10.0, 0.0, 1.0)[:, None, None]
    write(shot / "shaded.exr", read(shot / "plate.0002.exr")[..., :3] * (1.0 - 0.1 * below))
    facts = blender.case("pixels", shot).facts
    results = Path(facts["results"])
    assert facts["label"] == "Cleanplate Matte"

    # The same as without any host.
    options = MatteOptions(
        model="difference",
        bit_depth="float",
        layer_confidence=True,
        output_colourspace="linear",
        colourspace="linear",
        clean_colourspace="linear",
    )
    with MatteClient(server.endpoint) as client:
        sources = [Inline((shot / name).read_bytes(), name) for name in ("plate.0003.exr", "clean.exr")]
        reply = client.matte(Matte(id="direct", frame=3, plate=sources[0], clean_plate=sources[1], options=options))
    direct = exr.read_image(bytes(reply.data)).pixels
    np.testing.assert_array_equal(read(results / "matte.0003.exr"), direct)
    assert direct[..., 0].max() == 65000.0 and direct[..., 1].min() == -12.5

    for frame in range(1, 5):
        assert_outputs(shot / "out", results / f"matte.{frame:04d}.exr", frame)
        main = read(shot / "out" / f"main_{frame:04d}.exr")
        np.testing.assert_array_equal(main, expected(results / f"matte.{frame:04d}.exr")["Image"])
    np.testing.assert_array_equal(read(shot / "still.exr"), expected(results / "matte.0002.exr")["Image"])

    # Guides, live in the node.
    assert facts["guided"]
    plate, result = read(shot / "plate.0003.exr")[..., :3], read(results / "matte.0003.exr")
    core, holdout = core[..., :1].astype(np.float32), holdout[..., :1].astype(np.float32)
    alpha = np.maximum(result[..., 3:], core) * (1 - holdout)
    np.testing.assert_array_equal(read(shot / "guided" / "Alpha_0003.exr")[..., :1], alpha)
    foreground = result[..., :3] * (1 - core) + plate * core
    # Alpha Over mixes in float32, 5.2 as a + (b - a) * t: a few roundings of the larger of both colours.
    found = read(shot / "guided" / "Foreground_0003.exr")[..., :3]
    rounding = 4 * np.finfo(np.float32).eps * np.maximum(abs(result[..., :3]), abs(plate))
    assert (abs(found - foreground) <= rounding).all()
    outside = (core == 0.0)[..., 0]
    np.testing.assert_array_equal(found[outside], result[outside][:, :3])

    # Any graph upstream: stale at first, and then the compositor's own pixels.
    rendered = facts["rendered"]
    assert rendered["stale"] == rendered["fresh"] == [1, 2, 3, 4]
    for file, source in zip(rendered["inputs"], ("plate.0003.exr", "clean.exr"), strict=True):
        np.testing.assert_array_equal(read(Path(file)), read(shot / source)[..., :3])
    again = Path(rendered["results"])
    assert again != results
    np.testing.assert_array_equal(read(again / "matte.0003.exr"), direct)

    # The shadow layer, which a render without a window has solved; white without it, and on an unsolved frame.
    shadow = read(Path(facts["shadowed"]) / "matte.0002.exr", "shadow")
    assert shadow.min() < 0.95
    np.testing.assert_array_equal(read(shot / "off.exr")[..., :3], 1.0)
    # Alpha Over, as above.
    roundings = 4 * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(read(shot / "shadowed.exr")[..., :3], shadow, rtol=roundings)
    np.testing.assert_array_equal(read(shot / "unsolved.exr")[..., :3], 1.0)


@every_version
def test_every_kind_of_source(blender: Blender, shot: Path) -> None:
    generator = np.random.default_rng(5)
    hd = generator.normal(0.4, 3.0, (1080, 1920, 3)).astype(np.float32)
    write(shot / "hd.exr", hd)
    facts = blender.case("sources", shot).facts
    assert facts["kinds"] == {
        "sequence": "FileSource",
        "another colourspace": "GraphSource",
        "reroute": "FileSource",
        "alpha output": "GraphSource",
        "movie clip": "FileSource",
        "still": "FileSource",
        "packed": "GraphSource",
        "generated": "GraphSource",
    }
    assert facts["multilayer"] == "GraphSource"
    # Three settings of image and clip at four frames, less those where there is no file.
    assert facts["numbering"] >= 14
    layers = [read(Path(facts["scene"][name])) for name in ("own", "other")]
    assert layers[0].shape == (32, 48, 3) and layers[0].std() > 0.01
    # The same scene and seed, rendered once as its own and once as another scene's.
    np.testing.assert_array_equal(layers[0], layers[1])
    np.testing.assert_array_equal(read(Path(facts["hd"])), hd[:, ::-1])


def test_states_are_shown_and_cancel_keeps_what_is_done(blender: Blender, shot: Path) -> None:
    blender.case("states", shot)


@every_version
def test_saved_files_with_and_without_the_add_on(blender: Blender, shot: Path) -> None:
    assert blender.case("files", "make", shot).facts["label"] == "Cleanplate Matte"
    (results,) = {path.parent for path in shot.glob("cleanplate/*/*/matte.0001.exr")}
    blender.case("files", "without", shot)
    for frame in (1, 2, 3):
        assert_outputs(shot / "out", results / f"matte.{frame:04d}.exr", frame)
    # Frame 4 has no result: nothing, and never frame 3's picture again.
    assert not read(shot / "out" / "main_0004.exr").any()

    facts = blender.case("files", "again", shot).facts
    assert facts == {"fresh": [1, 2, 3], "missing": [], "problem": ""}

    # With the add-on, a background render solves what it can.
    assert blender.case("files", "render", shot).facts["fresh"]
    assert_outputs(shot / "out", results / "matte.0004.exr", 4)


def test_a_render_that_cannot_be_served_ends_and_the_farm_can_solve_it(blender: Blender, shot: Path) -> None:
    outcome = blender.case("files", "make,refuse", shot, code=7)
    assert "Cleanplate Matte: frames 1-4 are not solved" in outcome.output
    assert f"Solve first: blender --command cleanplate {shot / 'farm.blend'} --frames 1-4" in outcome.output
    assert not list((shot / "refused").glob("*")) if (shot / "refused").exists() else True

    script = REPOSITORY / "plugin_blender" / "solve_headless.py"
    starter = shot / "as_blender.py"
    # What 'blender -b FILE --python SCRIPT -- ARGUMENTS' does.
    starter.write_text(
        "import sys, runpy, bpy\n"
        "bpy.ops.wm.open_mainfile(filepath=sys.argv[1])\n"
        "runpy.run_path(sys.argv[2], run_name='__main__')\n"
    )
    farm = shot / "farm.blend"
    outcome = blender.run([starter, farm, script, "--", "--frames", "2-3"])
    assert "2 of 2 frames solved." in outcome.output and "does not play" not in outcome.output
    # As seen from a copy's results the plates lie elsewhere.
    copy = shot / "below" / "farm.blend"
    copy.parent.mkdir()
    shutil.copy(farm, copy)
    outcome = blender.run([starter, copy, script, "--", "--frames", "2"])
    sentence = f"{copy}, as it is saved, does not play the results in {copy.with_name('cleanplate')}"
    assert "1 of 1 frames solved." in outcome.output and sentence in outcome.output
    # The rest, and what is refused, in one Blender: each is asked for as if alone.
    several = shot / "several.py"
    several.write_text(
        "import json, sys, runpy, bpy\n"
        "bpy.ops.wm.open_mainfile(filepath=sys.argv[1])\n"
        "main = runpy.run_path(sys.argv[2])['main']\n"
        "for words in json.loads(sys.argv[3]):\n"
        "    print('code', main(words), flush=True)\n"
        "sys.stderr.flush()\n"
        "__import__('os')._exit(0)\n"
    )
    asked = [["--frames", "1-4"], ["--frames", "0"], ["--frames", "5-1"]]
    asked += [["--node", "Nobody"], ["--again", "--server", NOWHERE]]
    said = re.split(r"^code ", blender.run([several, farm, script, json.dumps(asked)]).output, flags=re.MULTILINE)
    assert "2 of 2 frames solved." in said[0]
    # Before its start an Image node shows nothing: there is no such file.
    assert f"Frame 0: the plate {shot / 'plate.0000.exr'} does not exist." in said[1]
    assert "runs backwards" in said[2]
    assert "has no Cleanplate Matte node called 'Nobody'" in said[3]
    assert "No matting server answers" in said[4]
    assert [words.split()[0] for words in said[1:]] == ["0", "2", "2", "2", "3"]

    # The file was not saved again, and renders where there is no add-on.
    shutil.copy(farm, shot / "shot.blend")
    shutil.rmtree(shot / "out", ignore_errors=True)
    blender.case("files", "without", shot)
    results = {path.parent for path in shot.glob("cleanplate/*/*/matte.0004.exr")}
    (folder,) = results
    assert_outputs(shot / "out", folder / "matte.0004.exr", 4)


def test_a_server_that_dies_in_a_background_render_ends_it(blender: Blender, shot: Path) -> None:
    """What is written by then is right, and nothing else is written."""
    with LocalServer(["--device", "cpu"]) as own:
        address = {"CLEANPLATE_SERVER": own.endpoint.address, "SERVER_PID": str(own.pid)}
        outcome = blender.case("files", "make,killed", shot, code=7, **address)
    # The server may be faster than its death.
    not_solved = {"3-4": "frames 3-4 are not solved", "4": "frame 4 is not solved"}
    named = next(frames for frames, words in not_solved.items() if words in outcome.output)
    (results,) = {path.parent for path in shot.glob("cleanplate/*/*/matte.0001.exr")}
    written = sorted((shot / "killed").glob("*"))
    assert [path.name for path in written] == [f"main_{frame:04d}.exr" for frame in range(1, int(named[0]))]
    for frame, path in enumerate(written, 1):
        picture = expected(results / f"matte.{frame:04d}.exr")["Image"]
        np.testing.assert_array_equal(read(path), picture)


@every_version
def test_tiles_sub_frames_and_other_situations(blender: Blender, shot: Path) -> None:
    blender.case("situations", shot)


def test_a_file_without_its_results_says_so(blender: Blender, shot: Path) -> None:
    blender.case("files", "make", shot)
    (shot / "away").mkdir()
    shutil.copy(shot / "shot.blend", shot / "away")
    for plate in shot.glob("plate.*"):
        plate.rename(shot / "away" / plate.name)
    facts = blender.case("files", "moved", shot).facts
    assert facts["label"] == "Cleanplate Matte (not solved)" and facts["missing"] == [1, 2, 3]
    assert "plate.0001.exr does not exist, nor do those of 2 more frames." in facts["message"]
    assert facts["outputs"] == [*OUTPUTS, "Shadow"]


def test_no_server_then_one_of_blenders_own_that_is_killed(blender: Blender, shot: Path) -> None:
    command = Path(sys.executable).with_name("cleanplate")
    if not command.exists():
        pytest.skip("the 'cleanplate' command is not installed beside this Python")
    blender.case("servers", shot, command, CLEANPLATE_SERVER=NOWHERE)


@pytest.fixture(scope="session")
def zips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("zips")
    return {platform: package.build(platform, folder) for platform in package.PLATFORMS}


@every_version
def test_the_zips_are_accepted_and_one_works_from_nothing(
    blender: Blender, zips: dict[str, Path], tmp_path: Path
) -> None:
    (tool,) = blender.version.folder.glob("lib/python*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/*_ext.py")
    for zip_file in zips.values():
        done = subprocess.run(
            [blender.interpreter, tool, "validate", zip_file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    shot = make_shot(tmp_path / "shot", (48, 64), range(1, 2))
    # A Python path with the cases only: neither the source tree nor an installed pyzmq may help.
    home = tmp_path / "home"
    home.mkdir()
    facts = blender.case(
        "installed", shot, zips["linux-x64"], BLENDER_USER_RESOURCES=str(home), PYTHONPATH=os.devnull
    ).facts
    assert str(home) in facts["zmq_file"] and facts["zmq"] == package.PYZMQ
    assert facts["names"] == []
    assert read(Path(facts["result"])).shape == (48, 64, 4)


def test_a_python_without_a_wheel_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(ImportError) as told:
        plugin_blender.register()
    version = sys.version.split()[0]
    assert f"its zip carries no pyzmq for Python {version}" in str(told.value)
    assert "or use Blender 4.5, 5.0 or 5.2 from blender.org." in str(told.value)
    assert told.value.__cause__ is None and told.value.__suppress_context__


def test_what_to_do_about_a_server_is_said_in_the_words_of_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    with MatteClient(Endpoint(address=NOWHERE)) as client, pytest.raises(LinkError) as away:
        client.ping(0.05)
    hints = (away.value.hint, client_module._KEY_HINT)
    assert tuple(map(runtime.hint_here, hints)) == hints
    monkeypatch.setattr(runtime, "in_window", True)
    assert runtime.hint_here(hints[0]) == "Press Start or Set Up Server, or correct the address."
    assert runtime.hint_here(hints[1]).endswith(", and name its file in the add-on's preferences.")


@pytest.mark.parametrize(
    ("system", "file", "word"),
    [
        ("posix", "/shots/a.blend", "/shots/a.blend"),
        ("posix", "/my shots/a.blend", "'/my shots/a.blend'"),
        ("nt", r"P:\shots\a.blend", r"P:\shots\a.blend"),
        ("nt", r"P:\my shots\a.blend", r'"P:\my shots\a.blend"'),
    ],
)
def test_a_file_is_one_word_of_a_command_that_is_printed(
    system: str, file: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "name", system)
    assert runtime.shell_word(file) == word


def test_zips_are_the_same_every_time(zips: dict[str, Path], tmp_path: Path) -> None:
    again = package.build("linux-x64", tmp_path)
    assert again.read_bytes() == zips["linux-x64"].read_bytes()


def test_pictures_are_matted_as_blender_shows_them(blender: Blender, shot: Path) -> None:
    """Blender turns no picture as EXIF says, and knows no windows: where one of the two is rendered, the other is
    taken as it lies there too."""
    wall = read(shot / "clean.exr")[..., :3].clip(0, 1)
    plate = wall.copy()
    plate[20:40, 30:50] = (0.9, 0.1, 0.05)
    for name, pixels in (("", plate), ("_clean", wall)):
        stored = PillowImage.fromarray((pixels * 255 + 0.5).astype(np.uint8))
        turned = PillowImage.Exif()
        turned[0x0112] = 6
        stored.save(shot / f"turned{name}.jpg", quality=98, exif=turned)
        stored.save(shot / f"turned{name}.png", exif=turned)
        stored.save(shot / f"upright{name}.jpg", quality=98)
    height, width = plate.shape[:2]
    whole = Window(0, 0, width, height)
    shifted = Window(10, 5, width, height)
    for name, pixels, window in (("window", plate, shifted), ("window_clean", wall, whole)):
        image = Image(pixels, ("R", "G", "B"), window, Window(0, 0, width + 20, height + 10))
        exr.write_image(shot / f"{name}.exr", image)
    for frame in (1, 2, 3):
        stored = PillowImage.fromarray((plate * 255 + 0.5).astype(np.uint8))
        turned = PillowImage.Exif()
        turned[0x0112] = 6 if frame == 2 else 1
        stored.save(shot / f"odd.{frame:04d}.jpg", quality=98, exif=turned)
        image = Image(plate, ("R", "G", "B"), shifted if frame == 2 else whole, whole)
        exr.write_image(shot / f"odd.{frame:04d}.exr", image)
    found = blender.case("headers", shot).facts

    says = {"turned": "is stored turned or mirrored (EXIF)", "windows": "has a data window of its own"}
    for name, suffix in (("turned", "jpg"), ("windows", "exr")):
        assert list(found["sequences"][name]) == ["2"]
        sentence = found["sequences"][name]["2"]
        assert sentence.startswith(f"The plate {shot / f'odd.0002.{suffix}'} {says[name]}, unlike the first"), (
            sentence
        )
        assert sentence.endswith(
            "Put a node, such as Exposure, before Plate: then it is matted as Blender shows it."
        )

    files, rendered = ["FileSource"] * 2, ["GraphSource"] * 2
    for name in ("turned jpeg", "turned png", "upright"):
        results = [found[f"{name}: {way}"] for way in ("files", "plate rendered", "clean plate rendered")]
        for result in results:
            assert read(Path(result["result"])).shape[:2] == (height, width), (name, result)
            # Half a level of 8 bits is 0.002: a JPEG is decoded by two libraries.
            expected = read(Path(found[f"{name}: both rendered"]["result"]))
            np.testing.assert_allclose(read(Path(result["result"]))[..., 3], expected[..., 3], atol=0.02)
        assert (results[0]["kinds"] == files) == (name == "upright"), results[0]
        alpha = read(Path(results[0]["result"]))[..., 3]
        assert alpha[22:38, 32:48].min() > 0.9 and alpha[:15].max() < 0.1, "where the subject is seen"

    # As files they lie by their windows: the result has the plate's. Otherwise none has any.
    assert found["windows: files"]["kinds"] == files
    assert exr.read_image(Path(found["windows: files"]["result"])).data_window == shifted
    expected = read(Path(found["windows: both rendered"]["result"]))
    assert expected[22:38, 32:48, 3].min() > 0.9 and expected[:15, :, 3].max() < 0.1
    for way in ("plate rendered", "clean plate rendered"):
        assert found[f"windows: {way}"]["kinds"] == rendered
        np.testing.assert_array_equal(read(Path(found[f"windows: {way}"]["result"])), expected)
