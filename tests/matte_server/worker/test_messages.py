"""The messages between server and worker, both ways, and what the server does not accept as one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matte_link.messages import Inline, Matte, OnDisk
from matte_link.options import MatteOptions

from matte_server.worker.messages import (
    FrameComputed,
    FrameFinished,
    FrameJob,
    Heartbeat,
    SolveFailed,
    SpooledPicture,
    StageStarted,
    StartupFailed,
    WorkerMessage,
    WorkerReady,
    decode_job,
    decode_message,
    encode_job,
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
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_message(data)


def test_numbers_of_numpy_become_numbers_of_json() -> None:
    message = FrameFinished(number=1, diagnostics={"area": np.float32(0.5), "count": np.int64(3)})
    assert json.loads(encode_message(message))[1]["diagnostics"] == {"area": 0.5, "count": 3}


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
