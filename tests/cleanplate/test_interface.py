"""The Python interface as a TD uses it: arrays, files, a shot, and a server that runs."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cleanplate
import numpy as np
import pytest
from matte_link.errors import UnavailableError

from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from matte_server.shots.reports import ResultStatus
from tests.matte_server import picture_files as files
from tests.matte_server.shots.conftest import ShotFiles, disc, make_shot, plate_of, save, wall

__all__ = ["make_shot"]
NOWHERE = "tcp://127.0.0.1:9"


def pair() -> tuple[np.ndarray, np.ndarray]:
    return plate_of(wall(), 4), wall()


def test_arrays_become_a_matte_and_are_not_changed() -> None:
    plate, clean = pair()
    before = plate.copy(), clean.copy()
    made = cleanplate.matte(plate, clean, model="difference", layer_difference=True)
    assert made.alpha.shape == (120, 160) and made.foreground.shape == (120, 160, 3)
    # The disc is three pixels from inside to outside: away from its edge the difference matte is sure.
    truth = disc(4)[..., 0]
    assert np.abs(made.alpha - truth)[(truth == 0) | (truth == 1)].mean() < 0.02
    assert made.layers["difference"].shape == (120, 160, 1) and made.diagnostics["warnings"] == []
    assert np.array_equal(plate, before[0]) and np.array_equal(clean, before[1])


def test_files_arrays_and_the_server_give_the_same_matte(
    tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate, clean = pair()
    files = save(tmp_path / "plate.exr", plate), save(tmp_path / "clean.exr", clean)
    # Half floats: what is in the files is what the arrays hold here.
    arrays = [exr.read_image(path).rgb for path in files]
    monkeypatch.setenv("SHOW", str(tmp_path))
    one = cleanplate.matte(*arrays, model="difference")
    other = cleanplate.matte(files[0], "$SHOW/clean.exr", model="difference")
    assert np.array_equal(one.alpha, other.alpha) and np.array_equal(one.foreground, other.foreground)
    with cleanplate.Client(server.endpoint.address) as client:
        remote = client.matte(*arrays, model="difference", bit_depth="float", layer_clean=True)
    assert np.array_equal(one.alpha, remote.alpha) and np.array_equal(one.foreground, remote.foreground)
    assert set(remote.layers) == {"clean"} and remote.diagnostics["alignment"]["kind"] == "none"


def test_what_files_say_that_cannot_be_honoured_is_told(tmp_path: Path, server: LocalServer) -> None:
    """As the command tells it; here and over a server it was lost."""
    plate, clean = (tmp_path / f"{name}.png" for name in ("plate", "clean"))
    for path, picture in zip((plate, clean), pair(), strict=True):
        files.png(path, np.clip(picture, 0, 1), chunks=[(b"cICP", bytes((1, 9, 0, 1)))])
    told = ["The tag cICP 1/9/0/1 is not supported (plate, clean plate)."]

    def said(behind: Any, **colour: str) -> list[str]:
        warnings: list[str] = cleanplate.matte(plate, behind, model="difference", **colour).diagnostics["warnings"]
        return warnings

    assert said(clean) == told
    assert said(clean, colourspace="srgb", clean_colourspace="srgb") == []
    assert told[0].replace(", clean plate", "") in said(np.clip(pair()[1], 0, 1))
    with cleanplate.Client(server.endpoint.address) as client:
        assert client.matte(plate, clean, model="difference").diagnostics["warnings"] == told


def test_threads_share_a_client_and_one_that_is_closed_says_so(server: LocalServer) -> None:
    plate, clean = pair()
    plates = [plate, plate[:, ::-1], plate * 0.5, clean]
    with cleanplate.Client(server.endpoint.address) as client, ThreadPoolExecutor(4) as threads:
        chosen: dict[str, Any] = {"model": "difference", "bit_depth": "float"}
        made = list(threads.map(lambda each: client.matte(each, clean, **chosen).alpha, plates))
    for each, alpha in zip(plates, made, strict=True):
        assert np.array_equal(alpha, cleanplate.matte(each, clean, model="difference").alpha)
    with pytest.raises(cleanplate.CleanplateError, match="is closed"):
        client.matte(plate, clean, model="difference")
    client.__exit__(None, None, None)


def test_a_client_that_nobody_closed_ends_with_its_last_name(server: LocalServer) -> None:
    """As in a notebook, where a cell is run again; and one in a forked process, as in a pool, says that it cannot
    work there. Whole processes hung here, so another one tries it."""
    script = f"""
import gc, os, cleanplate, numpy
for _ in range(3):
    client = cleanplate.Client({server.endpoint.address!r})
    client.matte(numpy.zeros((4, 4, 3)), numpy.zeros((4, 4, 3)), model="difference")
    del client
    gc.collect()
client = cleanplate.Client({server.endpoint.address!r})
client.matte(numpy.zeros((4, 4, 3)), numpy.zeros((4, 4, 3)), model="difference")
if not os.fork():
    try:
        client.matte(numpy.zeros((4, 4, 3)), numpy.zeros((4, 4, 3)), model="difference")
    except cleanplate.CleanplateError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    said = "This client was made by another process. Make one in each process.\nwent on\n"
    assert done.stdout == said, done.stderr


def test_closing_a_client_ends_what_other_threads_wait_for(server: LocalServer) -> None:
    """As in asyncio, where a task that is cancelled leaves its thread at work: the socket was closed under it."""
    noise = np.random.default_rng(1).random((600, 800, 3), np.float32)
    client = cleanplate.Client(server.endpoint.address)
    with ThreadPoolExecutor(2) as threads, client:
        made = [threads.submit(client.matte, noise, noise, model="cleanplate") for _ in range(2)]
        while not client._turn.locked():
            time.sleep(0.01)
        client.__exit__(None, None, None)
        errors = [each.exception(20.0) for each in made]
    assert all(isinstance(error, cleanplate.CleanplateError) for error in errors), errors
    # Whoever waited left the socket before it was closed; the other may have come later.
    assert "The matte was cancelled." in map(str, errors)


def test_errors_come_back_from_pools_of_processes() -> None:
    for error in (MatteError("bad_picture", "It is none.", "Name one."), UnavailableError("Nobody answers.")):
        error.__notes__ = ["of mine"]
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error) and str(back) == str(error) and vars(back) == vars(error)


def test_guides_are_arrays_too(server: LocalServer) -> None:
    plate, clean = pair()
    core = np.zeros((120, 160), np.float32)
    core[:20, :20] = 1.0
    made = cleanplate.matte(plate, clean, core=core, model="difference")
    assert (made.alpha[:20, :20] == 1).all()
    with cleanplate.Client(server.endpoint.address) as client:
        remote = client.matte(plate, clean, holdout=np.ones((120, 160), np.float32), model="difference")
    assert remote.alpha.max() == 0


def test_odd_arrays_are_the_same_picture() -> None:
    plate, clean = pair()
    core = disc(4)[..., 0] > 0.99
    same: Any = {"core": core, "model": "difference"}
    made = cleanplate.matte(plate, clean, **same).alpha
    numbers: Any = {"gamma": np.float32(1.0), "erode": np.int64(0)}
    for turned in (np.asfortranarray(plate), plate[::-1, :, ::-1].copy()[::-1, :, ::-1], plate.astype(">f4")):
        assert np.array_equal(cleanplate.matte(turned, clean.astype(np.float64), **same, **numbers).alpha, made)
    painted = np.dstack([np.zeros((120, 160, 3)), core])
    for guide in (core.astype(np.float64), core[..., None], np.repeat(core[..., None], 3, 2), painted):
        assert np.array_equal(cleanplate.matte(plate, clean, core=guide, model="difference").alpha, made)
    assert (made[core] == 1).all() and not (
        cleanplate.matte(plate, clean, model="difference").alpha[core] == 1
    ).all()


def test_an_array_is_in_the_colourspace_that_is_named_and_a_guide_lies_on_the_plate(tmp_path: Path) -> None:
    plate, clean = (np.maximum(each, 0) for each in pair())
    made = cleanplate.matte(plate, clean, model="difference")
    coded = [each ** (1 / 2.2) for each in (plate, clean)]
    again = cleanplate.matte(*coded, model="difference", colourspace="gamma 2.2")
    mixed = cleanplate.matte(plate, coded[1], model="difference", clean_colourspace="gamma 2.2")
    for other in (again, mixed):
        # Single precision there and back; uncoded, a tenth of the frame would differ.
        assert np.abs(other.alpha - made.alpha).max() < 1e-2
    # The data window of this plate does not begin at 0.
    moved = exr.read_image(save(tmp_path / "plate.exr", plate))
    window = Window(30, 20, 160, 120)
    exr.write_image(tmp_path / "plate.exr", replace(moved, data_window=window, display_window=window))
    held = np.zeros((120, 160), bool)
    held[:10, :10] = True
    one = cleanplate.matte(tmp_path / "plate.exr", clean, core=held, model="difference")
    assert (one.alpha[:10, :10] == 1).all() and one.alpha[20:30, 30:40].max() < 1


def test_a_layer_of_a_file_beside_an_array(tmp_path: Path) -> None:
    """Each file holds nothing but its layer."""
    plate, clean = pair()
    layers = {"beauty": plate, "empty": clean}
    for layer, pixels in layers.items():
        files.exr(tmp_path / f"{layer}.exr", files.planes(pixels, prefix=f"{layer}."))
    chosen: Any = {"model": "difference"}
    made = cleanplate.matte(plate, clean, **chosen).alpha
    of_plate = cleanplate.matte(tmp_path / "beauty.exr", clean, layer="beauty", **chosen).alpha
    of_clean = cleanplate.matte(plate, tmp_path / "empty.exr", clean_layer="empty", **chosen).alpha
    assert np.abs(of_plate - made).max() < 1e-2 and np.abs(of_clean - made).max() < 1e-2


def test_what_a_shot_cannot_be_made_of_is_one_sentence(make_shot: Callable[..., ShotFiles]) -> None:
    shot = make_shot(2)
    cases: dict[str, dict[str, Any]] = {
        "camera must be one of auto, locked, moving, not 'lockd'": {"camera": "lockd"},
        "frames must be text, not range": {"frames": range(3)},
        "overwrite must be yes or no, not 'yes'": {"overwrite": "yes"},
        "clean_offset must be a whole number, not 1.5": {"clean_offset": 1.5},
        "There is no option 'frams'. Did you mean 'frames'": {"frams": "1"},
        "cannot be written (Not a directory); nothing was started": {
            "comp": f"{shot.clean}/c.####.exr",
            "background": shot.clean,
        },
    }
    for sentence, settings in cases.items():
        with pytest.raises(cleanplate.CleanplateError) as raised:
            cleanplate.matte_shot(shot.plate, shot.clean, shot.matte, server=NOWHERE, **settings)
        assert sentence in str(raised.value)
    with pytest.raises(cleanplate.CleanplateError, match="output must be a file's name, not ''"):
        cleanplate.matte_shot(shot.plate, shot.clean, "", server=NOWHERE)


@pytest.mark.parametrize(
    ("plate", "options", "code", "words"),
    [
        (np.zeros((4, 4, 3), np.uint8), {}, "bad_picture", "array of uint8, 4 x 4 x 3"),
        ([[[0.0, 0.0, 0.0]]], {}, "bad_picture", "The plate is of the type list"),
        (np.ma.masked_array(np.zeros((4, 4, 3))), {}, "bad_picture", "The plate is a masked array"),
        (np.zeros((4, 4, 3)), {"core": np.ma.ones((4, 4))}, "bad_picture", "The core is a masked array"),
        (np.zeros((4, 4, 3)), {"core": np.ones((4, 4, 2))}, "bad_picture", "array of float64, 4 x 4 x 2"),
        ("$NO_SUCH_SHOW/plate.exr", {}, "not_set", "NO_SUCH_SHOW, which is not set"),
        (None, {}, "bad_picture", "The plate is of the type NoneType"),
        (np.array(1.0), {}, "bad_picture", "array of float64, one number"),
        ("take.mov", {}, "bad_picture", "take.mov is a video"),
        (400 * "x", {}, "missing_file", "does not exist"),
        (Path(__file__).parent, {}, "missing_file", "is a folder"),
        (np.zeros((4, 4, 3)), {"core": np.zeros((5, 4))}, "bad_picture", "of the plate's size, 4 x 4"),
        (np.zeros((4, 4, 3)), {"core": np.zeros((1, 4, 4, 1))}, "bad_picture", "of the plate's size, 4 x 4"),
        (
            np.zeros((4, 4, 3)),
            {"holdout": np.zeros((4, 4), np.uint8)},
            "bad_picture",
            "The holdout matte is an array",
        ),
        (np.zeros((4, 4, 3)), {"layer": "beauty"}, "bad_option", "the plate is an array"),
        (np.zeros((4, 4, 3)), {"premultiplied": True}, "bad_option", "premultiplied does not apply"),
        (np.zeros((4, 4, 3)), {"colourspace": "nosuch"}, "unknown_colourspace", "nosuch"),
        (np.zeros((4, 4), np.float32), {}, "bad_picture", "array of float32, 4 x 4"),
        (np.zeros((0, 4, 3), np.float32), {}, "bad_picture", "array of float32, 0 x 4 x 3"),
        (np.zeros((4, 0, 3), np.float32), {}, "bad_picture", "array of float32, 4 x 0 x 3"),
        ("nothing.exr", {}, "missing_file", "nothing.exr does not exist"),
        (np.zeros((4, 4, 3)), {"gama": 2.0}, "bad_option", "There is no option 'gama'"),
        (np.zeros((4, 4, 3)), {"black_point": 0.9, "white_point": 0.1}, "bad_option", "black_point must lie below"),
        (np.zeros((4, 4, 3)), {"model": "nosuch"}, "unknown_model", "There is no model 'nosuch'"),
        (np.full((4, 4, 3), np.nan), {}, "not_finite", "NaN"),
    ],
)
def test_what_cannot_work_is_an_error_with_a_code(
    plate: Any, options: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(cleanplate.CleanplateError, match=words) as raised:
        cleanplate.matte(plate, np.zeros((4, 4, 3)), **options)
    assert raised.value.code == code


def test_a_clean_plate_of_another_place_and_frames_unlike_the_others_are_warnings(
    make_shot: Callable[..., ShotFiles], server: LocalServer
) -> None:
    """The command ends with exit code 4; here nothing was said."""
    shot = make_shot(2)
    save(Path(shot.clean), wall(seed=9) * np.array([0.2, 1.5, 0.6], np.float32))
    save(Path(shot.plate.replace("####", "1002")), plate_of(wall(), 1)[::2, ::2])
    with pytest.warns(UserWarning) as warned:
        cleanplate.matte_shot(shot.plate, shot.clean, shot.matte, server=server.endpoint.address)
    place, odd = (str(each.message) for each in warned)
    assert "does not seem to show the same place as" in place and odd.startswith("The plate of frame 1002 differs")


def test_a_shot_is_made_resumed_and_reported(make_shot: Callable[..., ShotFiles], server: LocalServer) -> None:
    shot = make_shot(3)
    frames: list[object] = []
    settings: dict[str, Any] = {"server": server.endpoint.address, "model": "difference", "frames": "1001-1002"}
    report = cleanplate.matte_shot(shot.plate, shot.clean, shot.matte, on_event=frames.append, **settings)
    assert [(frame.frame, frame.status) for frame in report.frames] == [
        (1001, ResultStatus.DONE),
        (1002, ResultStatus.DONE),
    ]
    assert len(frames) >= 2
    again = cleanplate.matte_shot(shot.plate, shot.clean, shot.matte, **settings)
    assert {frame.status for frame in again.frames} == {ResultStatus.SKIPPED}
    with pytest.raises(cleanplate.CleanplateError, match="There is no option 'frame'"):
        cleanplate.matte_shot(shot.plate, shot.clean, shot.matte, frame="1001")
