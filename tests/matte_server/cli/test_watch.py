"""A watched folder: pictures that come late, in pieces, twice or under the wrong name, and what else goes wrong
while nobody looks."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matte_link.options import MatteOptions

from matte_server.cli import console
from matte_server.cli import main as cli
from matte_server.cli.conclusion import conclude
from matte_server.cli.matte import mattes
from matte_server.cli.watch import WatchedFolder, check_watched, watch
from matte_server.errors import MatteError
from matte_server.server.local_server import LocalServer
from matte_server.shots.arguments import ShotOrder
from matte_server.shots.reports import ShotReport
from matte_server.shots.shot import Shot
from tests.matte_server.shots.conftest import ShotFiles


class Booth:
    """A folder of portraits that is watched, a shot whose plates stand for the portraits, and what was made."""

    def __init__(self, shot: ShotFiles, folder: Path, server: LocalServer) -> None:
        self.shot = shot
        self.incoming, self.out = folder / "in", folder / "out"
        self.incoming.mkdir()
        self.order = ShotOrder(
            plate=str(self.incoming),
            clean=shot.clean,
            output=str(self.out),
            options=MatteOptions(model="difference"),
        )
        self.made: list[list[str]] = []
        self._endpoint = server.endpoint

    def add(self, name: str, frame: int = 1001) -> Path:
        return Path(shutil.copy(self.shot.folder / f"plate.{frame}.exr", self.incoming / name))

    def matte(self, planned: Shot) -> ShotReport:
        self.made.append([frame.name for frame in planned.frames])
        report = mattes(planned, self._endpoint)
        conclude(report, len(planned.frames))
        return report

    def watched(self) -> WatchedFolder:
        return WatchedFolder(self.order, self.matte)


@pytest.fixture
def booth(make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path) -> Booth:
    return Booth(make_shot(3), tmp_path, server)


def look(watched: WatchedFolder, times: int = 2) -> None:
    """A picture is ready at the second look that finds it unchanged."""
    for _ in range(times):
        watched.look()


def test_pictures_are_matted_as_they_come_until_interrupted(
    booth: Booth, capsys: pytest.CaptureFixture[str]
) -> None:
    booth.add("anna.exr")

    def matte(planned: Shot) -> ShotReport:
        report = booth.matte(planned)
        if len(booth.made) == 1:
            booth.add("ben.exr", 1002)
            (booth.incoming / "broken.exr").write_bytes(b"this is no EXR")
            return report
        # As Ctrl+C does.
        raise KeyboardInterrupt

    # What was under way when it was interrupted is not known to be made.
    assert watch(booth.order, matte, look_s=0.05) == console.FRAMES_FAILED
    assert booth.made == [["anna.exr"], ["ben.exr", "broken.exr"]]
    assert sorted(path.name for path in booth.out.iterdir()) == ["anna.exr", "ben.exr"]
    # Portraits are named by file, not by number.
    logged = capsys.readouterr().err
    assert "[1/1] anna.exr: " in logged and "broken.exr: failed (unreadable)" in logged
    assert "1 picture done, 0 failed, 2 not tried." in logged


def test_a_picture_that_grows_is_left_alone_and_one_that_paused_is_tried_again(booth: Booth) -> None:
    """As over a slow link, in which a copy may stand still for longer than two looks are apart."""
    watched, whole = booth.watched(), (booth.shot.folder / "plate.1001.exr").read_bytes()
    portrait = booth.incoming / "anna.exr"
    for part in (2000, 4000, 9000):
        portrait.write_bytes(whole[:part])
        look(watched, 1)
    assert booth.made == []
    look(watched, 3)
    assert booth.made == [["anna.exr"]] and watched.conclude() == console.FRAMES_FAILED
    portrait.write_bytes(whole)
    look(watched, 3)
    assert booth.made == [["anna.exr"], ["anna.exr"]] and (booth.out / "anna.exr").is_file()
    # It was made in the end.
    assert watched.conclude() == console.OK


def test_a_clean_plate_may_come_last(booth: Booth, capsys: pytest.CaptureFixture[str]) -> None:
    """One for all, and one for each portrait."""
    clean = Path(booth.shot.clean)
    kept = clean.rename(clean.with_name("kept.exr"))
    booth.add("anna.exr")
    watched = booth.watched()
    look(watched, 4)
    assert booth.made == [] and watched.conclude() == console.FRAMES_FAILED
    # Said once, not at every look.
    assert capsys.readouterr().err.count("clean.exr is not there yet.") == 1
    shutil.copy(kept, clean)
    look(watched, 3)
    assert booth.made == [["anna.exr"]] and watched.conclude() == console.OK

    cleans = booth.shot.folder / "cleans"
    cleans.mkdir()
    booth.add("ben.exr", 1002)
    booth.order = replace(booth.order, clean=str(cleans), output=str(booth.out / "each"))
    each = booth.watched()
    shutil.copy(kept, cleans / "ben.exr")
    look(each, 3)
    shutil.copy(kept, cleans / "anna.exr")
    look(each, 3)
    assert booth.made[1:] == [["ben.exr"], ["anna.exr"]]


def test_a_picture_that_is_written_again_is_matted_again(booth: Booth) -> None:
    watched, portrait = booth.watched(), booth.add("anna.exr")
    booth.add("ben.exr", 1002)
    look(watched)
    result = (booth.out / "anna.exr").read_bytes()
    booth.add("anna.exr", 1003)
    look(watched, 3)
    assert (booth.out / "anna.exr").read_bytes() != result
    # A result that somebody has changed since is theirs.
    (booth.out / "anna.exr").write_bytes(result)
    os.utime(booth.out / "anna.exr", ns=(1, 1))
    booth.add("anna.exr", 1002)
    look(watched, 3)
    assert (booth.out / "anna.exr").read_bytes() == result
    assert booth.made == [["anna.exr", "ben.exr"], ["anna.exr"], ["anna.exr"]]
    assert watched.conclude() == console.FRAMES_FAILED
    # What is removed is forgotten.
    portrait.unlink()
    look(watched)
    assert watched.conclude() == console.OK


def test_two_pictures_for_one_result_do_not_stop_the_others(
    booth: Booth, capsys: pytest.CaptureFixture[str]
) -> None:
    booth.add("anna.exr")
    booth.add("anna.tif", 1002)
    booth.add("ben.exr", 1002)
    watched = booth.watched()
    look(watched, 3)
    assert booth.made == [["anna.exr", "ben.exr"]]
    said = " ".join(capsys.readouterr().err.split())
    assert f"{booth.out / 'anna.exr'} would be a result of {booth.incoming / 'anna.exr'} and of" in said


def test_hidden_files_and_the_clean_plate_itself_are_no_portraits(booth: Booth) -> None:
    """macOS leaves ._anna.exr beside anna.exr on network disks."""
    booth.add("anna.exr")
    (booth.incoming / "._anna.exr").write_bytes(b"facts of a Mac")
    clean = Path(shutil.copy(booth.shot.clean, booth.incoming / "empty.exr"))
    booth.order = replace(booth.order, clean=str(clean), output=str(booth.incoming / "mattes"))
    watched = booth.watched()
    look(watched, 3)
    assert booth.made == [["anna.exr"]] and watched.conclude() == console.OK


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"output": "in"}, "the next run would take the results for portraits"),
        ({"output": "m.exr"}, "a folder of portraits is written to a folder"),
        ({"trimap": "t.exr", "core": "c.exr"}, "A trimap says what core and holdout are"),
        ({"passes": "alhpa"}, "There is no pass 'alhpa'. Did you mean alpha?"),
        ({"frames": "1-3"}, "--frames does not apply"),
    ],
)
def test_what_could_never_work_is_said_before_the_first_picture_comes(
    booth: Booth, tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    paths: dict[str, Any] = {
        name: value if name in ("frames", "passes") else str(tmp_path / value) for name, value in changes.items()
    }
    with pytest.raises(MatteError) as raised:
        check_watched(replace(booth.order, **paths))
    assert sentence in str(raised.value)


def test_a_model_that_the_server_lacks_is_said_before_the_first_picture_comes(
    booth: Booth, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["matte", str(booth.incoming), "--clean", booth.shot.clean, "-o", str(booth.out), "--watch"]
    assert cli.main([*words, "--model", "v1", "--server", server.endpoint.address]) == console.BAD_INPUT
    assert "missing_weights" in capsys.readouterr().err and not booth.out.exists()


def test_pictures_that_a_server_did_not_make_are_tried_again(booth: Booth) -> None:
    booth.add("anna.exr")
    gone = ShotReport(frames=(), stopped="The server does not answer.", stopped_code="no_server")
    reports = [gone]
    watched = WatchedFolder(booth.order, lambda shot: reports.pop() if reports else booth.matte(shot))
    look(watched)
    assert watched.conclude() == console.FRAMES_FAILED
    look(watched, 1)
    assert booth.made == [["anna.exr"]] and watched.conclude() == console.OK


def test_a_folder_that_is_away_for_a_while_is_watched_on(booth: Booth, capsys: pytest.CaptureFixture[str]) -> None:
    booth.add("anna.exr")
    watched = booth.watched()
    look(watched)
    away = booth.incoming.rename(booth.incoming.with_name("away"))
    look(watched)
    assert capsys.readouterr().err.count(f"{booth.incoming} cannot be read: ") == 1
    away.rename(booth.incoming)
    booth.add("ben.exr", 1002)
    look(watched, 3)
    assert booth.made == [["anna.exr"], ["ben.exr"]]


@pytest.mark.parametrize("said", [errno.ENOLCK, errno.ENOTSUP])
def test_a_disk_without_locks_is_watched_with_a_warning(
    booth: Booth, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: int
) -> None:
    """As some file servers are: "No locks available", of nothing, ended the command."""
    fcntl = pytest.importorskip("fcntl")

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(said, os.strerror(said))

    def matte(planned: Shot) -> ShotReport:
        booth.matte(planned)
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", refuse)
    booth.add("anna.exr")
    watch(booth.order, matte, look_s=0.05)
    assert booth.made == [["anna.exr"]]
    assert f"{booth.out} lies on a disk without locks: see that no other" in capsys.readouterr().err


def test_two_commands_do_not_watch_for_the_same_results(booth: Booth) -> None:
    """They would remove each other's unfinished files."""
    booth.add("anna.exr")

    def matte(planned: Shot) -> ShotReport:
        with pytest.raises(MatteError, match="Another 'cleanplate matte --watch' writes to"):
            watch(booth.order, booth.matte, look_s=0.05)
        booth.matte(planned)
        raise KeyboardInterrupt

    watch(booth.order, matte, look_s=0.05)
    assert booth.made == [["anna.exr"]]
    # Nothing is left of the lock.
    assert [path.name for path in booth.out.iterdir()] == ["anna.exr"]
