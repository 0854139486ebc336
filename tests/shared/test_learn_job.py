"""A learning job's events and files, against a server that answers as it is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import TimeoutError
from matte_link.learn_events import LearnDone, LearnEvent, LearnFailed, LearnPreparing, LearnStep
from matte_link.learn_job import LearnJob, LearnTask
from matte_link.local_files import LocalFiles
from matte_link.messages import (
    Accepted,
    Cancel,
    Failure,
    Inline,
    Learn,
    LearnFrame,
    LearnProgress,
    LearnReply,
    Message,
    Progress,
    digest_of,
)
from matte_link.options import MatteOptions
from matte_link.tasks import LocalFile

from .conftest import MakeServer
from .scripted_server import ScriptedServer

WEIGHTS = b"weights"
TASK = LearnTask(frame=1001, plate=Inline(b"p"), clean_plate=Inline(b"c"), key=Inline(b"k"), view="left")


def replied(name: str, **changes: object) -> LearnReply:
    reply = LearnReply(
        name,
        steps=20,
        first_error=0.5,
        error=0.25,
        has_gained=True,
        data=WEIGHTS,
        digest=digest_of(WEIGHTS),
        model="cleanplate",
        diagnostics={"device": "cpu"},
    )
    return replace(reply, **changes)  # type: ignore[arg-type]


def learns(server: ScriptedServer, message: Message) -> list[Message] | None:
    if not isinstance(message, Learn):
        return None
    return [
        Accepted(message.id, position=2),
        Progress(message.id, stage="frames", done=1, total=3),
        LearnProgress(
            message.id,
            stage="step",
            done=1,
            total=20,
            error=0.4,
            first_error=0.5,
            left_s=9.0,
            message="It goes on.",
        ),
        replied(message.id),
    ]


def never_learns(server: ScriptedServer, message: Message) -> list[Message] | None:
    return [Accepted(message.id)] if isinstance(message, Learn) else None


def run(job: LearnJob) -> list[LearnEvent]:
    assert not job.is_running
    job.start()
    assert job.join(20) and not job.is_running
    return job.poll()


def test_a_job_reports_its_stages_and_writes_what_was_gained(make_server: MakeServer, tmp_path: Path) -> None:
    server, output = make_server(learns), tmp_path / "new" / "shot.learned"
    options = MatteOptions(align="none")
    job = LearnJob([TASK], options, str(output), steps=20, seed=7, shot="sh010", endpoint=server.endpoint)
    assert run(job) == [
        LearnPreparing(stage="queued", done=2, total=2),
        LearnPreparing(stage="frames", done=1, total=3),
        LearnStep(step=1, steps=20, error=0.4, first_error=0.5, left_s=9.0, message="It goes on."),
        LearnDone(
            output=str(output),
            digest=digest_of(WEIGHTS),
            steps=20,
            first_error=0.5,
            error=0.25,
            has_gained=True,
            is_complete=True,
            model="cleanplate",
            diagnostics={"device": "cpu"},
        ),
    ]
    assert output.read_bytes() == WEIGHTS
    [sent] = [message for message in server.heard if isinstance(message, Learn)]
    assert (sent.options, sent.steps, sent.seed, sent.shot, sent.view) == (options, 20, 7, "sh010", "left")


def test_what_gained_nothing_writes_nothing(make_server: MakeServer, tmp_path: Path) -> None:
    def nothing(server: ScriptedServer, message: Message) -> list[Message] | None:
        return [replied(message.id, has_gained=False, data=b"", digest="")] if isinstance(message, Learn) else None

    output = tmp_path / "shot.learned"
    [done] = run(LearnJob([TASK], MatteOptions(), str(output), endpoint=make_server(nothing).endpoint))
    assert isinstance(done, LearnDone) and (done.output, done.digest, done.has_gained) == ("", "", False)
    assert not output.exists()


def test_what_cannot_be_learnt_ends_in_one_event(make_server: MakeServer, tmp_path: Path) -> None:
    def refuses(server: ScriptedServer, message: Message) -> list[Message] | None:
        refusal = Failure(message.id, code="learn_too_large", message="Too large.", hint="Name fewer frames.")
        return [refusal] if isinstance(message, Learn) else None

    output = str(tmp_path / "shot.learned")
    missing = replace(TASK, plate=LocalFile(str(tmp_path / "none.exr")))
    (tmp_path / "file").touch()
    nowhere = Endpoint("tcp://127.0.0.1:9")
    for job, code, words in (
        (
            LearnJob([TASK], MatteOptions(), output, endpoint=make_server(refuses).endpoint),
            "learn_too_large",
            "Too",
        ),
        (LearnJob([missing], MatteOptions(), output), "missing_file", "none.exr cannot be read: No such file"),
        (LearnJob([], MatteOptions(), output), "bad_request", "This cannot be learnt from: "),
        (LearnJob([TASK], MatteOptions(), output, steps=-1), "bad_request", "This cannot be learnt from: "),
        (
            LearnJob([TASK], MatteOptions(), output, endpoint=nowhere, connect_s=0.2),
            "unavailable",
            "No matting server",
        ),
        (
            LearnJob([TASK], MatteOptions(), f"{tmp_path}/file/x.learned", endpoint=make_server(learns).endpoint),
            "cannot_write",
            "x.learned cannot be written: ",
        ),
    ):
        failed = run(job)[-1]
        assert isinstance(failed, LearnFailed) and failed.code == code and words in failed.message, failed


def test_who_leaves_stops_nothing_and_who_cancels_gets_what_was_gained(
    make_server: MakeServer, tmp_path: Path
) -> None:
    def answers_a_cancel(server: ScriptedServer, message: Message) -> list[Message] | None:
        if isinstance(message, Cancel):
            return [replied(message.target, is_complete=False)]
        return never_learns(server, message)

    output = tmp_path / "shot.learned"
    for behaviour, end in ((never_learns, LearnJob.leave), (answers_a_cancel, LearnJob.cancel)):
        server = make_server(behaviour)
        job = LearnJob([TASK], MatteOptions(), str(output), endpoint=server.endpoint)
        job.start()
        events = job.poll(20.0)
        assert events == [LearnPreparing(stage="queued", done=0, total=0)] and job.is_running
        end(job)
        assert job.join(20)
        last = job.poll()[-1]
        if end is LearnJob.leave:
            assert isinstance(last, LearnFailed) and last.code == "left"
            assert server.cancelled == [] and not output.exists()
        else:
            assert isinstance(last, LearnDone) and not last.is_complete and output.read_bytes() == WEIGHTS


def test_a_cancel_is_sent_once_however_long_its_answer_takes(make_server: MakeServer) -> None:
    server = make_server(never_learns)
    request = Learn(id="l", frames=(LearnFrame(frame=1, plate=Inline(b"p"), clean_plate=Inline(b"c")),))
    with MatteClient(server.endpoint, patience_s=0.5) as client:
        client.ping(20.0)
        with pytest.raises(TimeoutError):
            client.learn(request, cancelled=lambda: True)
    assert server.cancelled == ["l"]


def test_pictures_that_frames_share_are_read_once(
    make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.exr").write_bytes(b"clean")
    kept, read = [], LocalFiles.read

    def noted(files: LocalFiles, source: object, keep: bool = False) -> object:
        kept.append(keep)
        return read(files, source, keep)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalFiles, "read", noted)
    task = replace(TASK, clean_plate=LocalFile(str(tmp_path / "c.exr")))
    job = LearnJob([task], MatteOptions(), str(tmp_path / "o"), endpoint=make_server(learns).endpoint)
    assert isinstance(run(job)[-1], LearnDone)
    assert kept == [False, True, True], "plate, clean plate, key"
