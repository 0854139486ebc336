"""A job's frames, events and files, against a server that misbehaves on command."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.endpoint import Endpoint
from matte_link.job import MatteJob
from matte_link.job_events import FrameDone, FrameFailed, FrameProgress, FrameStarted, JobEvent, JobFinished
from matte_link.messages import (
    Accepted,
    Digest,
    Inline,
    Matte,
    MatteReply,
    Message,
    Neighbour,
    Ping,
    Progress,
    Store,
    digest_of,
)
from matte_link.options import MatteOptions
from matte_link.roles import sources_of
from matte_link.tasks import FrameTask, LocalFile, TaskNeighbour

from .conftest import MakeServer
from .scripted_server import ScriptedServer, never_computes


def inline_task(folder: Path, frame: int = 1) -> FrameTask:
    """A frame with both pictures inline; its result goes into ``folder``."""
    output = str(folder / f"m.{frame}.exr")
    return FrameTask(frame=frame, plate=Inline(b"p"), clean_plate=Inline(b"c"), output=output)


def run_job(job: MatteJob) -> list[JobEvent]:
    job.start()
    assert job.join(20)
    return job.poll()


def test_a_job_writes_every_frame_that_it_can_and_reports_each(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "clean.exr").write_bytes(b"clean")
    tasks = []
    for frame in range(5):
        plate = tmp_path / f"plate.{frame}.exr"
        if frame != 3:
            plate.write_bytes(b"plate")
        tasks.append(
            FrameTask(
                frame=frame,
                plate=LocalFile(str(plate)),
                clean_plate=LocalFile(str(tmp_path / "clean.exr")),
                output=str(tmp_path / "out" / f"matte.{frame}.exr"),
            )
        )
    server = make_server()
    events = run_job(MatteJob(tasks, MatteOptions(), server.endpoint))
    assert [event.frame for event in events if isinstance(event, FrameDone)] == [0, 1, 2, 4]
    failed = [event for event in events if isinstance(event, FrameFailed)]
    assert [(event.frame, event.code) for event in failed] == [(3, "missing_file")]
    assert "plate.3.exr cannot be read: No such file" in failed[0].message
    assert events[-1] == JobFinished(done=4, failed=1, cancelled=False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "matte.0.exr",
        "matte.1.exr",
        "matte.2.exr",
        "matte.4.exr",
    ]
    assert server.uploads == 1


def test_a_job_without_a_server_ends_with_the_reason(tmp_path: Path) -> None:
    task = inline_task(tmp_path)
    events = run_job(MatteJob([task], MatteOptions(), Endpoint("tcp://127.0.0.1:9"), patience_s=0.3))
    finished = events[-1]
    assert isinstance(finished, JobFinished)
    assert finished.code == "unavailable" and "No matting server answers" in finished.message
    assert not list(tmp_path.iterdir())


def test_a_cancelled_job_keeps_what_is_done(make_server: MakeServer, tmp_path: Path) -> None:
    def only_the_first(server: ScriptedServer, message: Message) -> list[Message] | None:
        return [] if isinstance(message, Matte) and message.frame > 1 else None

    tasks = [inline_task(tmp_path, frame) for frame in (1, 2, 3)]
    job = MatteJob(tasks, MatteOptions(), make_server(only_the_first).endpoint)
    job.start()
    deadline = time.monotonic() + 20
    events: list[JobEvent] = []
    while not any(isinstance(event, FrameDone) for event in events) and time.monotonic() < deadline:
        events += job.poll()
        time.sleep(0.02)
    job.cancel()
    # The server never answers the other two: only Cancel can end the job.
    assert job.join(20)
    assert (events + job.poll())[-1] == JobFinished(done=1, failed=0, cancelled=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m.1.exr"]


def test_a_full_or_forbidden_folder_fails_the_frame_only(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    task = inline_task(tmp_path / "file")
    events = run_job(MatteJob([task], MatteOptions(), make_server().endpoint))
    failed = [event for event in events if isinstance(event, FrameFailed)]
    assert failed[0].code == "cannot_write" and "cannot be written" in failed[0].message


def test_a_job_takes_tasks_while_it_runs(make_server: MakeServer, tmp_path: Path) -> None:
    job = MatteJob([], MatteOptions(), make_server().endpoint, more=True)
    job.start()
    for frame in (1, 2, 3):
        job.add(inline_task(tmp_path, frame))
        deadline = time.monotonic() + 20
        while job.waiting and time.monotonic() < deadline:
            time.sleep(0.02)
        # Ten times the worker's own pause: it has looked again, and still waits for more.
        time.sleep(0.1)
        assert job.is_running and job.waiting == 0
    job.close()
    assert job.join(20)
    assert [event.frame for event in job.poll() if isinstance(event, FrameDone)] == [1, 2, 3]


def press(server: ScriptedServer, folder: Path, expected: str = "", frames: int = 1) -> list[JobEvent]:
    """What a host's button does: a job whose clean plate is a file that is expected to have this digest."""
    (folder / "clean.exr").write_bytes(b"clean")
    clean = LocalFile(str(folder / "clean.exr"))
    tasks = [
        replace(inline_task(folder, frame), clean_plate=clean, clean_digest=expected) for frame in range(frames)
    ]
    return run_job(MatteJob(tasks, MatteOptions(), server.endpoint))


def test_a_single_frame_carries_its_clean_plate_inline(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    events = press(server, tmp_path) + press(server, tmp_path, frames=2)
    done = [event for event in events if isinstance(event, FrameDone)]
    assert [event.clean_digest for event in done] == [digest_of(b"clean")] * 3
    first, *others = [message.clean_plate for message in server.mattes]
    assert isinstance(first, Inline) and others == [Digest(digest_of(b"clean"))] * 2
    assert server.uploads == 1


def test_a_clean_plate_that_went_inline_is_not_read_again(
    make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reader = [], Path.read_bytes

    def counted(path: Path) -> bytes:
        read.append(path.name)
        return reader(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    press(make_server(), tmp_path)
    assert read.count("clean.exr") == 1


def test_a_frame_is_sent_at_once_with_the_expected_digest(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    server.digests.add(digest_of(b"clean"))
    events = press(server, tmp_path, digest_of(b"clean"))
    assert [event.clean_digest for event in events if isinstance(event, FrameDone)] == [digest_of(b"clean")]
    # It was neither asked for nor sent.
    assert server.count(Store) == 0 and server.count(Matte) == 1


def test_a_server_that_lacks_the_expected_clean_plate_gets_it(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    events = press(server, tmp_path, digest_of(b"clean"))
    assert events[-1] == JobFinished(done=1, failed=0, cancelled=False)
    assert server.uploads == 1


@pytest.mark.parametrize("is_held", [True, False])
def test_a_frame_sent_with_the_wrong_digest_is_cancelled_and_sent_again(
    make_server: MakeServer, tmp_path: Path, is_held: bool
) -> None:
    server = make_server()
    wrong = digest_of(b"another")
    if is_held:
        server.digests.add(wrong)
    events = press(server, tmp_path, wrong)
    done = [event for event in events if isinstance(event, FrameDone)]
    assert [event.clean_digest for event in done] == [digest_of(b"clean")]
    assert events[-1] == JobFinished(done=1, failed=0, cancelled=False)
    first, second = server.mattes
    assert (first.clean_plate, second.clean_plate) == (Digest(wrong), Digest(digest_of(b"clean")))
    assert server.cancelled[:1] == [first.id]


def test_a_missing_clean_plate_fails_its_frame_although_its_digest_was_expected(
    make_server: MakeServer, tmp_path: Path
) -> None:
    clean = LocalFile(str(tmp_path / "clean.exr"))
    task = replace(inline_task(tmp_path), clean_plate=clean, clean_digest=digest_of(b"clean"))
    server = make_server(never_computes)
    events = run_job(MatteJob([task], MatteOptions(), server.endpoint))
    assert [event.code for event in events if isinstance(event, FrameFailed)] == ["missing_file"]
    assert events[-1] == JobFinished(done=0, failed=1, cancelled=False)


def test_a_server_that_falls_silent_fails_the_frames_that_it_had(make_server: MakeServer, tmp_path: Path) -> None:
    tasks = [inline_task(tmp_path, frame) for frame in (1, 2, 3)]
    events = run_job(MatteJob(tasks, MatteOptions(), make_server(deaf_after_ping).endpoint, patience_s=0.5))
    failed = [event for event in events if isinstance(event, FrameFailed)]
    assert [(event.frame, event.code) for event in failed] == [(1, "timeout"), (2, "timeout")]
    finished = events[-1]
    assert isinstance(finished, JobFinished)
    assert (finished.done, finished.failed, finished.cancelled, finished.code) == (0, 2, False, "timeout")
    assert "did not answer within 0.5 s" in finished.message and "restart it" in finished.hint


def deaf_after_ping(server: ScriptedServer, message: Message) -> list[Message] | None:
    return None if isinstance(message, Ping) and server.count(Ping) == 1 else []


def test_a_frame_reports_its_start_its_stages_and_its_end(make_server: MakeServer, tmp_path: Path) -> None:
    def two_stages(server: ScriptedServer, message: Message) -> list[Message] | None:
        if not isinstance(message, Matte):
            return None
        stages = [
            Progress(message.id, stage=stage, done=done, total=2) for done, stage in enumerate(("align", "model"))
        ]
        reply = MatteReply(message.id, frame=message.frame, data=b"exr", diagnostics={"residual_px": 0.25})
        return [Accepted(message.id), *stages, reply]

    task = inline_task(tmp_path, frame=7)
    assert run_job(MatteJob([task], MatteOptions(), make_server(two_stages).endpoint)) == [
        FrameStarted(7),
        FrameProgress(frame=7, stage="align", done=0, total=2),
        FrameProgress(frame=7, stage="model", done=1, total=2),
        FrameDone(frame=7, output=task.output, diagnostics={"residual_px": 0.25}, clean_digest=digest_of(b"c")),
        JobFinished(done=1, failed=0, cancelled=False),
    ]
    assert Path(task.output).read_bytes() == b"exr"


def test_a_request_carries_all_that_its_task_names(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    task = replace(
        inline_task(tmp_path), core=Inline(b"core"), holdout=Inline(b"holdout"), view="left", hints={"host": "nuke"}
    )
    options = MatteOptions(model="difference")
    run_job(MatteJob([task], options, server.endpoint, priority="batch", shot="sh010"))
    [sent] = server.mattes
    assert (sent.frame, sent.view, sent.hints, sent.priority, sent.shot, sent.options) == (
        *(1, "left", {"host": "nuke"}, "batch", "sh010"),
        options,
    )
    assert sources_of(sent) == {
        "plate": Inline(b"p"),
        "clean_plate": Digest(digest_of(b"c")),
        "core": Inline(b"core"),
        "holdout": Inline(b"holdout"),
    }


def test_no_more_frames_are_at_the_server_than_allowed(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(never_computes)
    tasks = [inline_task(tmp_path, frame) for frame in range(5)]
    job = MatteJob(tasks, MatteOptions(), server.endpoint, in_flight=3)
    job.start()
    deadline = time.monotonic() + 20
    while server.count(Matte) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    # Twice as long as the worker waits for an answer before it looks for another task.
    time.sleep(0.2)
    assert server.count(Matte) == 3 and job.waiting == 2
    job.cancel()
    assert job.join(20)


def test_waiting_for_an_event_ends_with_the_event(make_server: MakeServer, tmp_path: Path) -> None:
    task = inline_task(tmp_path)
    job = MatteJob([task], MatteOptions(), make_server().endpoint)
    assert job.poll(0.05) == []
    job.start()
    assert job.poll(20.0)


def sequence_of_tasks(folder: Path, count: int) -> list[FrameTask]:
    """Frames with their neighbours, each with a plate and a clean plate of its own."""

    def files(kind: str, frame: int) -> LocalFile:
        path = folder / f"{kind}.{frame}.exr"
        path.write_bytes(f"{kind} {frame}".encode())
        return LocalFile(str(path))

    def neighbour(frame: int) -> TaskNeighbour | None:
        if not 0 <= frame < count:
            return None
        return TaskNeighbour(plate=files("plate", frame), clean_plate=files("clean", frame))

    return [
        FrameTask(
            frame=frame,
            plate=files("plate", frame),
            clean_plate=files("clean", frame),
            output=str(folder / f"m.{frame}.exr"),
            before=neighbour(frame - 1),
            after=neighbour(frame + 1),
        )
        for frame in range(count)
    ]


def test_a_job_sends_the_neighbours_and_each_picture_once(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    job = MatteJob(sequence_of_tasks(tmp_path, 6), MatteOptions(temporal=0.5), server.endpoint)
    assert run_job(job)[-1] == JobFinished(done=6, failed=0, cancelled=False)
    assert server.uploads == 12
    first, *_, last = server.mattes
    assert (first.before, last.after) == (None, None)
    assert first.after == Neighbour(plate=Digest(digest_of(b"plate 1")), clean_plate=Digest(digest_of(b"clean 1")))
    # The plates and clean plates of the last frame and its two neighbours.
    assert len(job._files) <= 6


def test_a_still_clean_plate_is_not_named_for_a_neighbour(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    clean = LocalFile(str(tmp_path / "clean.0.exr"))
    task = sequence_of_tasks(tmp_path, 2)[0]
    assert task.after is not None
    task = replace(task, clean_plate=clean, after=replace(task.after, clean_plate=clean))
    run_job(MatteJob([task], MatteOptions(temporal=1.0), server.endpoint))
    [request] = server.mattes
    assert request.after == Neighbour(Digest(digest_of(b"plate 1")))


def test_without_smoothing_a_job_sends_no_neighbours(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    tasks = sequence_of_tasks(tmp_path, 3)
    (tmp_path / "plate.2.exr").unlink()
    assert run_job(MatteJob(tasks[:2], MatteOptions(), server.endpoint))[-1] == JobFinished(
        done=2, failed=0, cancelled=False
    )
    for sent in server.mattes:
        assert isinstance(sent.plate, Inline) and (sent.before, sent.after) == (None, None)


def test_a_neighbour_that_cannot_be_read_fails_its_frame_by_name(make_server: MakeServer, tmp_path: Path) -> None:
    tasks = sequence_of_tasks(tmp_path, 3)
    (tmp_path / "plate.2.exr").unlink()
    events = run_job(MatteJob(tasks[:2], MatteOptions(temporal=1.0), make_server().endpoint))
    failed = [event for event in events if isinstance(event, FrameFailed)]
    assert [(event.frame, event.code) for event in failed] == [(1, "missing_file")]
    assert "plate.2.exr cannot be read" in failed[0].message
