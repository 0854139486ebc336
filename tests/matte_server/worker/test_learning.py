"""The worker's end of a learning job: what it refuses, what it reads, and when it saves how far it has come."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from matte_link.messages import Digest, Learn, LearnFrame, OnDisk

from matte_server.core.image import Image, PlatePair
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.learning.run import LearningResult
from matte_server.worker import learning
from matte_server.worker.learning import ShotLearning, frame_job, settings_of
from matte_server.worker.messages import LearningJob, SpooledPicture
from matte_server.worker.named_files import NamedFiles
from matte_server.worker.reader import FrameReader

KEY = Digest("0a" * 32)


def job(folder: Path, frame: LearnFrame, **held: SpooledPicture) -> LearningJob:
    return LearningJob(
        number=3,
        request=Learn(id="a", frames=(frame,), hints={"colourspace": "acescg"}, view="left"),
        pictures=held,
        weights=str(folder / "w.learned"),
        checkpoint=str(folder / "c.checkpoint"),
    )


class QuietTurn:
    """The turn of a worker that nothing is sent to."""

    def __call__(self) -> None: ...

    def pause(self) -> None: ...

    def alive(self) -> None: ...


def shot_learning(folder: Path) -> ShotLearning:
    frame = LearnFrame(frame=1, plate=OnDisk("/p.exr"), clean_plate=OnDisk("/c.exr"))
    reader = FrameReader(NamedFiles(()))
    return ShotLearning(job(folder, frame), "cpu", reader, QuietTurn(), lambda report: None, folder / "spool")


def pair(width: int, height: int) -> PlatePair:
    window = Window(0, 0, width, height)
    image = Image(
        # One row that is shown everywhere: the size counts, not the memory.
        pixels=np.broadcast_to(np.zeros(3, np.float32), (height, width, 3)),
        channels=("R", "G", "B"),
        data_window=window,
        display_window=window,
    )
    return PlatePair(plate=image, clean_plate=image)


def test_what_would_not_fit_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "memory_left", lambda device: 2 << 30)
    with pytest.raises(MatteError, match=r"from 1 frame of 1920 x 1080 .* 2.3 GB, .* 2.1 GB left") as caught:
        shot_learning(tmp_path)._check_memory(pair(1920, 1080))
    assert caught.value.code == "learn_too_large" and "fewer or smaller frames" in caught.value.hint
    shot_learning(tmp_path)._check_memory(pair(960, 540))
    monkeypatch.setattr(learning, "memory_left", lambda device: None)
    shot_learning(tmp_path)._check_memory(pair(8192, 8192))


def test_a_larger_frame_is_asked_about_again_and_a_smaller_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, left = shot_learning(tmp_path), 4 << 30
    monkeypatch.setattr(learning, "memory_left", lambda device: left)
    run._check_memory(pair(960, 540))
    left = 1 << 28
    run._check_memory(pair(960, 540))
    with pytest.raises(MatteError, match="1920 x 1080"):
        run._check_memory(pair(1920, 1080))


def test_what_is_doubted_of_the_frames_is_in_the_result(tmp_path: Path) -> None:
    result = LearningResult(
        has_gained=False,
        data=b"",
        facts=None,
        frames=(1,),
        steps=2,
        first_error=0.5,
        error=0.5,
        warnings=("Look.",),
    )
    assert shot_learning(tmp_path)._ended(result, True).diagnostics["warnings"] == ["Look."]


def test_what_was_learnt_is_not_lost_where_its_folder_takes_nothing(tmp_path: Path) -> None:
    result = LearningResult(
        has_gained=True, data=b"learnt", facts=None, frames=(1,), steps=2, first_error=0.5, error=0.25
    )
    (tmp_path / "w.learned").mkdir()
    shot_learning(tmp_path)._ended(result, True)
    assert (tmp_path / "spool" / "w.learned").read_bytes() == b"learnt"
    (tmp_path / "w.learned").rmdir()
    (tmp_path / "spool" / "w.learned").unlink()
    shot_learning(tmp_path)._ended(result, True)
    assert (tmp_path / "w.learned").read_bytes() == b"learnt" and not list((tmp_path / "spool").iterdir())


def test_frames_are_read_as_those_of_a_matte_are() -> None:
    frame = LearnFrame(
        frame=-2, plate=KEY, clean_plate=OnDisk("/c.exr"), key=KEY, mask=KEY, alignment={"kind": "none"}
    )
    held = {f"-2_{role}": SpooledPicture(path=f"/{role}") for role in ("plate", "key", "mask")}
    made = frame_job(job(Path("/"), frame, **held, weights=SpooledPicture(path="/w")), frame)
    assert {role: picture.path for role, picture in made.pictures.items()} == {
        "plate": "/plate", "core": "/key", "holdout": "/mask", "weights": "/w",
    }  # fmt: skip
    request = made.request
    assert (request.view, request.hints, request.alignment) == ("left", {"colourspace": "acescg"}, {"kind": "none"})


def test_a_shot_without_keys_takes_fewer_steps_unless_told_otherwise() -> None:
    bare = LearnFrame(frame=1, plate=KEY, clean_plate=KEY)
    keyed = LearnFrame(frame=2, plate=KEY, clean_plate=KEY, key=KEY)
    without, mixed = (settings_of(Learn(id="a", frames=frames)).steps for frames in ((bare,), (bare, keyed)))
    assert 0 < without < mixed
    assert settings_of(Learn(id="a", frames=(bare,), steps=7, seed=3)).steps == 7


def test_a_run_is_saved_more_often_at_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("matte_server.worker.learning.time.monotonic", lambda: now)
    kept = learning._Checkpoints(tmp_path / "c.checkpoint")
    saved = []
    for tenth in range(1500):
        now = 100.0 + tenth / 10
        if kept.is_due:
            kept.save(b"%d" % tenth)
            assert kept._writing is not None
            kept._writing.result()
            saved.append(tenth / 10)
    kept.close()
    # After half of the time so far, but not sooner than 1 s nor later than 20 s. It is asked every 0.1 s.
    assert saved[:3] == pytest.approx([1.1, 2.2, 4.5], abs=0.11)
    assert np.diff(saved)[-3:] == pytest.approx([20.1, 20.1, 20.1], abs=0.11)
    assert kept.load() == b"%d" % round(10 * saved[-1])


def test_a_disk_that_is_slower_than_learning_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, written = threading.Event(), []

    def slow(path: str, data: bytes) -> None:
        go.wait(10)
        written.append(data)

    monkeypatch.setattr(learning, "write_atomically", slow)
    monkeypatch.setattr(learning, "_SAVE_S", -1.0)
    kept = learning._Checkpoints(tmp_path / "c.checkpoint")
    assert kept.is_due
    kept.save(b"first")
    assert not kept.is_due
    # The last one, at the end of a run, is written whatever the disk does.
    kept.save(b"last")
    go.set()
    kept.close()
    assert written == [b"first", b"last"] and kept.is_due


def test_a_checkpoint_that_its_disk_refuses_is_in_the_log_once_for_each_cause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "kept"
    folder.touch()  # permissions do not bind a superuser, who runs some build machines
    kept = learning._Checkpoints(folder / "c.checkpoint")

    def save() -> None:
        kept.save(b"state")
        assert kept._writing is not None
        kept._writing.result()

    save()
    save()
    (refused,) = caplog.messages
    assert refused.startswith(f"A checkpoint of learning cannot be written to {folder}: ") and refused[-2:] != ":."
    folder.unlink()
    save()
    assert kept.load() == b"state" and caplog.messages == [refused]
    folder.joinpath("c.checkpoint").unlink()
    folder.rmdir()
    folder.touch()
    save()
    kept.close()
    assert caplog.messages == [refused, refused]
