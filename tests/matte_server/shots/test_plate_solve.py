"""The plate solve of a shot: locked or moving, leaps repaired, saved, given, and the same for every part."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any

import cv2
import numpy as np
import pytest
from filelock import SoftFileLock, Timeout
from matte_link.files import write_atomically
from matte_link.options import MatteOptions

from matte_server.core.align import Alignment, align
from matte_server.core.expected_frame import FrameGlance
from matte_server.core.image import Image
from matte_server.core.placement import as_facts, from_facts, with_exposure
from matte_server.core.shot_solve import corners
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.shots import plate_solve, solve_file
from matte_server.shots.given_solve import check_solve
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.plan import plan_shot, solve_file_of
from matte_server.shots.plate_solve import PlateSolve
from matte_server.shots.shot import SAMPLES, Camera, Shot, ShotFrame, ShotSources
from matte_server.shots.solve_file import FrameEstimate, read_estimates, update_solve_file

from .conftest import ShotFiles, drifting, moved, plate_of, save, wall

MakeShot = Callable[..., ShotFiles]
WINDOW = Window(0, 0, 160, 120)


def solved(shot: ShotFiles, frames: str = "", camera: Camera | None = None) -> tuple[PlateSolve, Shot]:
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), frames, MatteOptions(), camera=camera)
    return PlateSolve(planned, ShotInputs(planned.options), "1"), planned


def test_a_locked_shot_is_found_measured_once_and_kept(make_shot: MakeShot) -> None:
    assert not solved(make_shot(1))[0].applies, "the server aligns a still"
    shot = make_shot(4, gain=0.8)
    solve, planned = solved(shot)
    assert solve.applies
    found = [solve.alignment(frame) for frame in planned.frames]
    assert all(each.transform is found[0].transform and each.gain == found[0].gain for each in found)
    # Grain of 0.002 on a wall of 0.05 to 0.9, measured over 19200 pixels.
    assert found[0].gain == pytest.approx((0.8, 0.8, 0.8), abs=0.002)
    assert "saved" not in solve.summary()
    solve.save()
    assert f"The plate solve is saved in {solve_file_of(shot.matte)}." in solve.summary()
    assert solve_file_of(shot.matte).name == "matte.platesolve.json"
    assert json.loads(solve_file_of(shot.matte).read_text())["camera"] == "locked"


def test_only_frames_that_are_measured_are_told_of(make_shot: MakeShot) -> None:
    shot = make_shot(3)
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), "", MatteOptions())

    def told() -> list[int]:
        frames: list[int] = []
        solve = PlateSolve(
            planned, ShotInputs(planned.options), "1", lambda frame, done, total: frames.append(frame)
        )
        solve.alignment(planned.frames[0])
        solve.save()
        return sorted(frames)

    assert told() == [1001, 1002, 1003]
    assert told() == []
    replaced(shot, 1002, plate_of(wall(), 9))
    assert told() == [1002]


def test_a_moving_shot_is_solved_per_frame_and_alike_in_parts(make_shot: MakeShot) -> None:
    shot = make_shot(5, camera=drifting)
    solve, planned = solved(shot)
    whole = {frame.frame: solve.alignment(frame) for frame in planned.frames}
    for number, frame in enumerate(shot.frames):
        off = corners(whole[frame].transform, WINDOW) - corners(drifting(number), WINDOW)
        # A disc hides a sixth of a picture of 160 x 120: a tenth of a pixel inside, less than half at the corners.
        assert np.linalg.norm(off, axis=1).max() < 0.5
    part, planned = solved(shot, "1003")
    assert np.array_equal(part.alignment(planned.frames[0]).transform, whole[1003].transform)
    # Kept, and used again: the figures are those of the file, to the last bit.
    solve.save()
    again, planned = solved(shot)
    assert np.array_equal(again.alignment(planned.frames[1]).transform, whole[1002].transform)
    assert again.alignment(planned.frames[1]).points == whole[1002].points


def test_a_frame_alone_and_in_its_shot_lies_alike(make_shot: MakeShot) -> None:
    """A camera that is kicked, rests and is kicked back: no frame is moved for its neighbours' sake."""
    kicks = [np.eye(3), np.eye(3), drifting(6), np.eye(3), drifting(-4), drifting(-4)]
    shot = make_shot(6, camera=lambda number: kicks[number])
    for camera in (Camera("auto"), Camera("moving")):
        solve, planned = solved(shot, camera=camera)
        for frame in planned.frames:
            found, own = solve.alignment(frame), alone(frame)
            assert found.transform.tolist() == own.transform.tolist(), frame.frame
            assert (found.inliers, found.residual_px, found.points, found.gain, found.warnings) == (
                own.inliers,
                own.residual_px,
                own.points,
                own.gain,
                (),
            )


def alone(frame: ShotFrame) -> Alignment:
    """How a server aligns the frame by itself."""
    plate, clean = exr.read_image(frame.plate), exr.read_image(frame.clean_plate)
    return with_exposure(align(plate, clean, "auto"), plate, clean)


def replaced(shot: ShotFiles, frame: int, picture: np.ndarray) -> None:
    save(Path(shot.plate.replace("####", str(frame))), picture)


def test_a_locked_camera_is_looked_at_in_every_frame(make_shot: MakeShot) -> None:
    """Of 16 frames seven decide that the camera is locked; a knock, a flash and a lost picture lie between them."""
    shot = make_shot(16)
    knock = np.array([[1.0, 0, 5], [0, 1, -3], [0, 0, 1]])
    replaced(shot, 1002, plate_of(moved(wall(), knock), 1))
    replaced(shot, 1005, plate_of(wall() * 1.8, 4))
    replaced(shot, 1007, np.full((120, 160, 3), 0.3))
    solve, planned = solved(shot)
    found = {frame.frame: solve.alignment(frame) for frame in planned.frames}
    facts = saved_facts(solve, shot)
    assert facts["camera"] == "locked" and not {1002, 1005, 1007} & set(facts["sampled"])
    for number, alignment in found.items():
        # A tenth of a pixel and a hundredth of the gain: what is measured on a picture of 160 x 120.
        expected = knock if number == 1002 else np.eye(3)
        assert np.abs(alignment.transform - expected).max() < 0.1, number
        assert alignment.gain == pytest.approx((1.8 if number == 1005 else 1.0,) * 3, rel=0.01), number
    # Every frame's figures are its own; where nothing is seen, none are claimed.
    assert len({alignment.residual_px for number, alignment in found.items() if number != 1007}) == 15
    assert np.isnan(found[1007].residual_px) and found[1007].points == 0
    assert "Frame 1005 is lit otherwise" in solve.summary() and "Frame 1002 is elsewhere" in solve.summary()


def test_a_locked_camera_is_known_before_a_set_out_of_focus(make_shot: MakeShot) -> None:
    """A glance finds nothing there, and a search no details. The camera was turned after the clean plate."""
    shot = make_shot(10)
    turned = np.array([[1.002, 0.004, -5.0], [-0.004, 1.002, 4.0], [0, 0, 1]])
    soft = cv2.GaussianBlur(wall((360, 480), 3), (0, 0), 12)
    save(Path(shot.clean), soft)
    for number, frame in enumerate(shot.frames):
        replaced(shot, frame, plate_of(moved(soft, turned), number))
    solve, planned = solved(shot)
    found = [solve.alignment(frame) for frame in planned.frames]
    assert "The camera is locked: one transform and gain for the whole shot." in solve.summary()
    assert len({alignment.transform.tobytes() for alignment in found}) == 1
    off = corners(found[0].transform, Window(0, 0, 480, 360)) - corners(turned, Window(0, 0, 480, 360))
    # A thirtieth of the blur, in corners that only the fit reaches.
    assert np.linalg.norm(off, axis=1).max() < 0.5 and not found[0].warnings


@pytest.mark.parametrize(("away", "is_kept"), [(0.0, True), (0.4, False)])
def test_a_frame_that_a_glance_saw_elsewhere_is_measured(make_shot: MakeShot, away: float, is_kept: bool) -> None:
    """A glance at few details may be wrong by more than the 0.15 px that it allows; the search decides."""
    shot = make_shot(3)
    replaced(shot, 1002, plate_of(moved(wall(), np.array([[1.0, 0, away], [0, 1, 0], [0, 0, 1]])), 2))
    solve, planned = solved(shot)
    locked = solve.alignment(planned.frames[0])
    glance = FrameGlance(
        points=30,
        asked=400,
        inliers=1.0,
        residual_px=0.3,
        drift_px=0.3,
        common_drift_px=0.3,
        ratios=(1.0, 1.0, 1.0),
        longer_side=160,
    )
    found = solve._placed_on_locked_camera(planned.frames[1], locked, glance)
    assert (found.transform is locked.transform) == is_kept
    assert found.transform[0, 2] == pytest.approx(away, abs=0.1)
    # The figures are the search's, of more points than the glance had.
    assert found.points > 30


def saved_facts(solve: PlateSolve, shot: ShotFiles) -> dict[str, Any]:
    solve.save()
    return dict(json.loads(solve_file_of(shot.matte).read_text()))


def test_a_knock_stays_where_the_artist_says_that_the_camera_is_locked(make_shot: MakeShot) -> None:
    shot = make_shot(5)
    replaced(shot, 1003, plate_of(moved(wall(), np.array([[1.0, 0, 5], [0, 1, 0], [0, 0, 1]])), 2))
    solve, planned = solved(shot, camera=Camera("locked"))
    found = solve.alignment(planned.frames[2])
    assert found.transform.tolist() == np.eye(3).tolist()
    [warning] = found.warnings
    assert warning.startswith("The frame's details lie elsewhere than") and "--camera says" in warning
    assert solve.alignment(planned.frames[1]).warnings == ()


def hidden_mostly(behind: np.ndarray, frame: int, part: float = 0.8) -> np.ndarray:
    """A set of which a subject with details of its own hides ``part``, and walks."""
    height, width = behind.shape[:2]
    picture, left = behind.copy(), round(width * (1 - part) / 2) + 2 * frame
    picture[:, left : left + round(width * part)] = wall((height, round(width * part)), seed=50)
    return picture + np.random.default_rng(frame).normal(0, 0.002, picture.shape).astype(np.float32)


@pytest.mark.parametrize("way", [2.0, 9.0, 60.0])
def test_a_camera_wrongly_called_locked_is_doubted_where_little_of_the_set_is_seen(
    make_shot: MakeShot, way: float
) -> None:
    """Four fifths are hidden, so hardly any details are found again. Those that are, or a search, tell it still."""
    shot, set_ = make_shot(5), wall((360, 480))
    save(Path(shot.clean), set_)
    for number, frame in enumerate(shot.frames):
        way_here = np.array([[1.0, 0, way * (number >= 3)], [0, 1, 0], [0, 0, 1]])
        replaced(shot, frame, hidden_mostly(moved(set_, way_here), number))
    solve, planned = solved(shot, camera=Camera("locked"))
    found = [solve.alignment(frame) for frame in planned.frames]
    assert all(each.transform.tolist() == np.eye(3).tolist() for each in found), "the artist's word counts"
    assert [plate_solve.ELSEWHERE in each.warnings for each in found] == [False, False, False, True, True]
    assert not any(plate_solve.UNCHECKED in each.warnings for each in found)


def test_a_frame_that_cannot_tell_whether_the_camera_is_locked_says_so(make_shot: MakeShot) -> None:
    shot = make_shot(5)
    replaced(shot, 1003, np.full((120, 160, 3), 0.3))
    solve, planned = solved(shot, camera=Camera("locked"))
    assert solve.alignment(planned.frames[2]).warnings == (plate_solve.UNCHECKED,)
    assert solve.alignment(planned.frames[3]).warnings == ()


@pytest.mark.parametrize(("camera", "is_still"), [(lambda number: np.eye(3), True), (drifting, False)])
def test_a_still_camera_that_is_called_moving_is_told(
    make_shot: MakeShot, camera: Callable[[int], np.ndarray], is_still: bool
) -> None:
    solve, planned = solved(make_shot(4, camera=camera), camera=Camera("moving"))
    for frame in planned.frames:
        solve.alignment(frame)
    assert ("lie alike: with --camera auto" in solve.summary()) == is_still
    assert ("the camera moves" in solve.summary()) != is_still


def test_frames_beside_help_one_in_which_little_is_seen(make_shot: MakeShot) -> None:
    """Frame 1003 shows the set in one corner only: too little to search, enough to measure near its neighbours."""
    shot = make_shot(5, camera=drifting)
    picture = plate_of(moved(wall(), drifting(2)), 2)
    hidden = picture.copy()
    hidden[:, 55:] = 0.3
    hidden[70:] = 0.3
    replaced(shot, 1003, hidden)
    solve, planned = solved(shot)
    found = solve.alignment(planned.frames[2])
    away = corners(found.transform, WINDOW) - corners(drifting(2), WINDOW)
    # In the corner that is seen; extrapolated to the others it may be a few pixels off.
    assert np.linalg.norm(away[0]) < 1.0
    # The same in a part of the shot.
    part, planned = solved(shot, "1003")
    again = part.alignment(planned.frames[0])
    assert again.transform.tolist() == found.transform.tolist() and again.points == found.points
    # Nothing at all is seen: the frame lies between its neighbours and says that it was not measured.
    replaced(shot, 1003, np.full((120, 160, 3), 0.3))
    solve, planned = solved(shot)
    found = solve.alignment(planned.frames[2])
    assert np.linalg.norm(corners(found.transform, WINDOW) - corners(drifting(2), WINDOW), axis=1).max() < 1.0
    assert found.points == 0 and np.isnan(found.inliers)
    assert "from frames 1002 and 1004, because nothing could be measured" in found.warnings[0]
    assert "Without a measurement: 1003." in solve.summary()


def test_a_wall_without_features_is_no_moving_camera(make_shot: MakeShot) -> None:
    shot = make_shot(4)
    for number, frame in enumerate(shot.frames):
        replaced(shot, frame, plate_of(np.full((120, 160, 3), 0.4), number))
    save(Path(shot.clean), np.full((120, 160, 3), 0.4))
    solve, planned = solved(shot)
    assert all(np.isnan(solve.alignment(frame).residual_px) for frame in planned.frames)
    assert solve.summary().startswith("Nothing could be measured") and "moves" not in solve.summary()
    assert saved_facts(solve, shot)["camera"] == "unknown"


def test_a_given_locked_solve_claims_no_figures_for_frames_it_was_not_measured_on(
    make_shot: MakeShot, tmp_path: Path
) -> None:
    shot = make_shot(3)
    solve, planned = solved(shot)
    solve.alignment(planned.frames[0])
    facts = saved_facts(solve, shot)
    facts["frames"].pop("1002")
    given = tmp_path / "given.json"
    given.write_text(json.dumps(facts))
    solve, planned = solved(shot, camera=Camera("auto", str(given)))
    assert solve.alignment(planned.frames[0]).points > 0
    unmeasured = solve.alignment(planned.frames[1])
    assert unmeasured.points == 0 and np.isnan(unmeasured.residual_px)


def test_runs_that_save_into_one_file_keep_each_others_frames(make_shot: MakeShot) -> None:
    """Two farm tasks at either end of a shot, both started before there was a file."""
    shot = make_shot(9, camera=drifting)
    tasks = [solved(shot, frames, Camera("moving")) for frames in ("1001", "1009")]
    found = {plan.frames[0].frame: solve.alignment(plan.frames[0]) for solve, plan in tasks}
    for solve, _ in tasks:
        solve.save()
    entries = json.loads(solve_file_of(shot.matte).read_text())["frames"]
    # Each task measured its own frame, which needed no help from those beside it.
    assert list(entries) == ["1001", "1009"]
    for number, alignment in found.items():
        assert from_facts(entries[str(number)]["alignment"]).transform.tolist() == alignment.transform.tolist()


def test_a_run_that_ends_before_it_knows_the_camera_leaves_what_earlier_ones_found(make_shot: MakeShot) -> None:
    """Interrupted in its first second, it forgot which frames had decided about the camera: those of a plate that
    was rendered later were others then, and every finished frame had another alignment."""
    shot = make_shot(4)
    empty, _ = solved(shot)
    empty.save()
    assert not solve_file_of(shot.matte).exists(), "nothing was measured"
    first, planned = solved(shot)
    found = [first.alignment(frame) for frame in planned.frames]
    first.save()
    before = solve_file_of(shot.matte).read_bytes()
    for camera in ("auto", "locked"):
        interrupted, _ = solved(shot, camera=Camera(camera))
        interrupted.save()
        assert solve_file_of(shot.matte).read_bytes() == before
    # One that measured some of the samples, but does not know the camera yet.
    half, planned = solved(shot)
    half.alignment_of_neighbour(replace(planned.frames[0], frame=7))
    half.save()
    # Frames in which the artist has the camera move decide about nothing either.
    moving, _ = solved(shot, "1001", camera=Camera("moving"))
    moving.alignment(planned.frames[0])
    moving.save()
    assert json.loads(solve_file_of(shot.matte).read_text())["camera"] == "moving"
    for number in range(1005, 1012):
        copy(shot.plate.replace("####", "1001"), shot.plate.replace("####", str(number)))
    later, planned = solved(shot)
    assert [later.alignment(frame).gain for frame in planned.frames[:4]] == [each.gain for each in found]


def test_of_runs_that_save_at_once_none_loses_an_entry(tmp_path: Path) -> None:
    path = tmp_path / "matte.platesolve.json"
    estimate = FrameEstimate(alignment=from_facts(_IDENTITY), clean_window=Window(0, 0, 8, 6), key="k")

    def save_frames(run: int) -> None:
        for frame in range(run, 40, 4):
            update_solve_file(path, None, {frame: estimate}, {frame: estimate.alignment})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save_frames, range(4)))
    assert sorted(read_estimates(path)) == list(range(40))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_lock_that_a_killed_run_left_behind_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them waited until the same moment, and each took away the lock of the one before."""
    monkeypatch.setattr(solve_file, "_LOCK_S", 0.2)
    path = tmp_path / "matte.platesolve.json"
    # Another machine's run: nobody here can tell whether it still lives.
    (tmp_path / ".matte.platesolve.json.lock").write_text("4711\nelsewhere\n")

    def slowly(*what: Any) -> None:
        time.sleep(0.02)
        write_atomically(*what)

    monkeypatch.setattr(solve_file, "write_atomically", slowly)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: update_solve_file(path, None, {}, {n: from_facts(_IDENTITY)}), range(6)))
    assert sorted(json.loads(path.read_text())["frames"]) == [str(n) for n in range(6)]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_lock_that_is_gone_when_the_wait_for_it_ends_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_in_vain(lock: SoftFileLock, timeout: float) -> None:
        monkeypatch.undo()
        raise Timeout(lock.lock_file)

    monkeypatch.setattr(SoftFileLock, "acquire", wait_in_vain)
    path = tmp_path / "matte.platesolve.json"
    update_solve_file(path, None, {}, {7: from_facts(_IDENTITY)})
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


_IDENTITY = {
    "kind": "translation",
    "transform": np.eye(3).tolist(),
    "inliers": 1.0,
    "residual_px": 0.1,
    "points": 9,
    "gain": [1.0, 1.0, 1.0],
    "offset": [0.0, 0.0, 0.0],
}


def test_exposure_that_changes_is_measured_per_frame(make_shot: MakeShot) -> None:
    shot = make_shot(3, camera=lambda number: np.eye(3))
    for number, frame in enumerate(shot.frames):
        save(Path(shot.plate.replace("####", str(frame))), plate_of(wall() * (1.0 - 0.1 * number), number))
    solve, planned = solved(shot)
    gains = [solve.alignment(frame).gain[0] for frame in planned.frames]
    assert gains == pytest.approx([1.0, 0.9, 0.8], abs=0.005)
    assert "a gain for each frame" in solve.summary()


def test_a_given_solve_is_used_as_it_is(make_shot: MakeShot, tmp_path: Path) -> None:
    shot = make_shot(2)
    facts = as_facts(Alignment(transform=np.array([[1.0, 0, 7], [0, 1, 0], [0, 0, 1]]), points=500))
    given = tmp_path / "given.json"
    entry = {"alignment": facts}
    given.write_text(json.dumps({"format": "cleanplate plate solve", "version": 1, "frames": {"1001": entry}}))
    solve, planned = solved(shot, camera=Camera("auto", str(given)))
    assert solve.alignment(planned.frames[0]).transform[0, 2] == 7.0
    with pytest.raises(MatteError, match="no alignment for frame 1002"):
        solve.alignment(planned.frames[1])
    before = given.read_bytes()
    solve.save()
    assert given.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a plate solve"),
        ('{"format": "cleanplate plate solve", "version": 9, "frames": {}}', "version 9"),
        ('{"format": "cleanplate plate solve", "version": 1, "frames": {"1": 3}}', "Frame 1"),
        ('{"format": "cleanplate plate solve", "version": 1, "frames": {"1": {"alignment": {}}}}', "transform"),
    ],
)
def test_what_is_no_solve_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "solve.json"
    path.write_text(text)
    with pytest.raises(MatteError, match=words) as raised:
        check_solve(path, (1,))
    assert raised.value.code == "bad_solve"


def test_a_damaged_solve_beside_the_output_is_measured_again(make_shot: MakeShot) -> None:
    shot = make_shot(2)
    kept = solve_file_of(shot.matte)
    kept.parent.mkdir()
    kept.write_text('{"format": "cleanplate plate solve", "frames": {"1001": {"estimate": 3}, "x": {}}}')
    solve, planned = solved(shot)
    assert solve.alignment(planned.frames[0]).points > 0
    solve.save()
    check_solve(kept, (1001,))


def test_what_is_not_finite_is_not_looked_at() -> None:
    window = Window(0, 0, 3, 1)
    pixels = np.array([[[np.nan], [np.inf], [-np.inf]]], np.float32)
    image = Image(pixels=pixels, channels=("R",), data_window=window, display_window=window)
    np.testing.assert_array_equal(plate_solve._finite(image).pixels, np.zeros((1, 3, 1)))
    fine = replace(image, pixels=np.array([[[1.5], [-2.0], [70000.0]]], np.float32))
    assert plate_solve._finite(fine) is fine


@pytest.mark.parametrize("gain", [1.0, 0.9])
def test_a_locked_shots_plates_are_read_once(make_shot: MakeShot, gain: float) -> None:
    """Also those of the sampled frames, whose small copies are kept, and with smoothing in time. Where each frame
    has a gain of its own, a sampled frame's plate is needed once more."""
    shot = make_shot(9, camera=lambda number: np.eye(3))
    for index, number in enumerate(shot.frames):
        replaced(shot, number, plate_of(wall() * gain**index, index))
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), "", MatteOptions())
    read: list[int] = []

    class Watched(ShotInputs):
        def pair(self, frame: ShotFrame) -> tuple[Image, Callable[[], Image]]:
            read.append(frame.frame)
            return super().pair(frame)

    solve = PlateSolve(planned, Watched(planned.options), "1")
    for frame in planned.frames:
        solve.alignment(frame)
    for frame in planned.frames:
        solve.alignment_of_neighbour(frame)
    assert len(read) == (9 if gain == 1.0 else 9 + SAMPLES)
