"""The messages between server and worker, both ways, and what the server does not accept as one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from matte_link.messages import Inline, Learn, LearnFrame, Matte, OnDisk, Source
from matte_link.options import MatteOptions

from matte_server.worker.messages import (
    FrameComputed,
    FrameFinished,
    FrameJob,
    FramePrepared,
    Heartbeat,
    LearningEnded,
    LearningJob,
    SolveFailed,
    SpooledPicture,
    StageStarted,
    StartupFailed,
    StepTaken,
    WorkerMessage,
    WorkerReady,
    decode_job,
    decode_learning,
    decode_message,
    encode_job,
    encode_learning,
    encode_message,
)

MESSAGES = [
    WorkerReady(device="cuda:0", devices=2, models=("difference", "v2"), weights={"v2": "ab"}),
    StageStarted(number=3, stage="align", done=1, total=7),
    Heartbeat(number=3),
    FrameComputed(number=3),
    FrameFinished(number=3, output="", diagnostics={"warnings": ["thin"], "coverage": 1.0}),
    FrameFinished(number=3, output="/shots/m.exr", diagnostics={}),
    SolveFailed(number=3, code="not_finite", message="There are NaNs.", hint="Repair them."),
    StartupFailed(code="no_device", message="There is none."),
    FramePrepared(number=3, done=1, total=8),
    StepTaken(number=3, step=1, steps=8, error=0.25, first_error=0.5, left_s=-1.0, is_resumed=True),
    LearningEnded(
        number=3, steps=8, first_error=0.5, error=0.25, has_gained=True, is_complete=False, model="cleanplate"
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_survives_encoding(message: WorkerMessage) -> None:
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"[]",
        b'["Gone", {}]',
        b'["Heartbeat", {"who": 1}]',
        b'["Heartbeat", []]',
        b'["FrameFinished", {}]',
        b'{"a": 1}',
        b"\xff",
        b'["FrameFinished", {"number": 1, "diagnostics": {"area": NaN}}]',
        b'["FrameFinished", {"number": 1, "diagnostics": {"area": -Infinity}}]',
        b'["FrameFinished", {"number": 1, "diagnostics": {"deep": ' + b"[" * 30 + b"]" * 30 + b"}}]",
        b'["FrameFinished", {"number": 1, "diagnostics": {"deep": ' + b"[" * 9000 + b"]" * 9000 + b"}}]",
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_message(data)


def test_numbers_of_numpy_become_numbers_of_json() -> None:
    message = FrameFinished(number=1, diagnostics={"area": np.float32(0.5), "count": np.int64(3)})
    assert json.loads(encode_message(message))[1]["diagnostics"] == {"area": 0.5, "count": 3}


def test_a_number_that_is_not_finite_is_none() -> None:
    """JSON has none, and a server that cannot write its answer down cannot give it."""
    figures = {"area": np.float32("nan"), "seconds": {"write": float("inf")}, "warnings": ["one", float("-inf")]}
    received = decode_message(encode_message(FrameFinished(number=1, diagnostics=figures)))
    assert received == FrameFinished(
        number=1, diagnostics={"area": None, "seconds": {"write": None}, "warnings": ["one", None]}
    )


def test_a_learning_job_survives_and_names_its_weights_as_a_file() -> None:
    frames = tuple(
        LearnFrame(frame=number, plate=Inline(data=b"", name="p.exr"), clean_plate=OnDisk("/c.exr"))
        for number in range(32)
    )
    request = Learn(id="a", frames=frames, weights=Inline(data=b"", name="first.learned"))
    held = {f"{number}_plate": SpooledPicture(path=f"/spool/{number}", name="p.exr") for number in range(32)}
    held["weights"] = SpooledPicture(path="/spool/w.exr", name="first.learned")
    job = LearningJob(number=5, request=request, pictures=held, weights="/kept/k.learned", checkpoint="/kept/k.run")
    decoded = decode_learning(encode_learning(job))
    assert decoded.request.options.weights == "/spool/w.exr"
    assert replace(decoded, request=replace(decoded.request, options=request.options)) == job


@pytest.mark.parametrize("source", [Inline(data=b"", name="w.learned"), OnDisk("/spool/w.exr")])
def test_weights_that_came_along_are_the_options_file(source: Source) -> None:
    request = Matte(id="a", frame=7, plate=OnDisk("/p.exr"), clean_plate=OnDisk("/c.exr"), weights=source)
    held = {"weights": SpooledPicture(path="/spool/w.exr", name="w.learned")} if isinstance(source, Inline) else {}
    job = FrameJob(number=5, request=request, pictures=held, result="r.exr")
    assert decode_job(encode_job(job)).request.options.weights == "/spool/w.exr"


def test_a_job_survives_with_its_pictures_named() -> None:
    request = Matte(
        id="a",
        frame=7,
        plate=Inline(data=b"", name="p.exr"),
        clean_plate=Inline(data=b"", name="c.png"),
        options=MatteOptions(erode=1.5),
        core=OnDisk("/shots/core.exr"),
        hints={"colourspace": "ACEScg"},
    )
    job = FrameJob(
        number=3,
        request=request,
        pictures={
            "plate": SpooledPicture(path="/s/1.exr", name="p.exr"),
            "clean_plate": SpooledPicture(path="/s/2.png", name="c.png", digest="d" * 64),
        },
        result="r",
    )
    assert decode_job(encode_job(job)) == job
