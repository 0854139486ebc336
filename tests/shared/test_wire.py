"""The wire format: one table of cases for both directions, round trips, and garbage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matte_link.messages import (
    PICTURES,
    Accepted,
    Cancel,
    Digest,
    Failure,
    FetchResult,
    Inline,
    Learn,
    LearnFrame,
    LearnProgress,
    LearnReply,
    Matte,
    MatteReply,
    Message,
    Neighbour,
    OnDisk,
    PartStored,
    Ping,
    Pong,
    Progress,
    ResultPart,
    Source,
    Status,
    StatusReply,
    Store,
    Stored,
    StorePart,
)
from matte_link.options import MatteOptions, option_specs
from matte_link.roles import sources_of, with_sources
from matte_link.wire import MAGIC, WireError, WireLimits, decode, encode

DIGEST = "0a" * 32

BARE_MATTE = {
    "type": "matte",
    "id": "a1",
    "frame": 1,
    "plate": {"digest": DIGEST},
    "clean_plate": {"digest": DIGEST},
    "options": {},
    "core": None,
    "holdout": None,
    "priority": "interactive",
    "shot": "",
    "output": "",
    "plate_layer": "",
    "clean_layer": "",
    "view": "",
    "hints": {},
    "alignment": {},
    "before": None,
    "after": None,
}
"""A Matte as versions before weights could travel wrote it, and read it."""

CASES: list[tuple[Message, dict[str, Any], list[bytes]]] = [
    (Ping("a1"), {"type": "ping", "id": "a1"}, []),
    (Status("a1"), {"type": "status", "id": "a1"}, []),
    (Cancel(id="a1", target="b2"), {"type": "cancel", "id": "a1", "target": "b2"}, []),
    (
        Store(id="a1", digest=DIGEST, data=b"exr", name="clean.exr"),
        {"type": "store", "id": "a1", "digest": DIGEST, "data": 0, "name": "clean.exr"},
        [b"exr"],
    ),
    (
        Matte(id="a1", frame=1001, plate=Inline(b"plate", "p.exr"), clean_plate=Digest(DIGEST)),
        {
            "type": "matte",
            "id": "a1",
            "frame": 1001,
            "plate": {"inline": 0, "name": "p.exr"},
            "clean_plate": {"digest": DIGEST},
            "options": {},
            "core": None,
            "holdout": None,
            "priority": "interactive",
            "shot": "",
            "output": "",
            "plate_layer": "",
            "clean_layer": "",
            "view": "",
            "hints": {},
            "alignment": {},
            "before": None,
            "after": None,
        },
        [b"plate"],
    ),
    (
        Matte(
            id="a1",
            frame=-7,
            plate=OnDisk("/shots/p.mov", 12),
            clean_plate=OnDisk("/shots/c.exr"),
            options=MatteOptions(erode=-1.5, align="none"),
            core=Inline(b"core"),
            holdout=Inline(b"holdout", "h.exr"),
            priority="batch",
            shot="sh010",
            output="/out/m.exr",
            plate_layer="fg",
            clean_layer="bg",
            view="left",
            hints={"host": "nuke", "space": "ACEScg"},
            alignment={"kind": "translation", "gain": [1.0, 0.9, 1.1]},
            before=Neighbour(
                plate=Inline(b"before", "b.exr"),
                clean_plate=Digest(DIGEST),
                core=Inline(b"core before"),
                alignment={"kind": "none"},
            ),
            after=Neighbour(plate=OnDisk("/shots/p.mov", 13)),
        ),
        {
            "type": "matte",
            "id": "a1",
            "frame": -7,
            "plate": {"path": "/shots/p.mov", "frame": 12},
            "clean_plate": {"path": "/shots/c.exr", "frame": 0},
            "options": {"align": "none", "erode": -1.5},
            "core": {"inline": 0, "name": ""},
            "holdout": {"inline": 1, "name": "h.exr"},
            "priority": "batch",
            "shot": "sh010",
            "output": "/out/m.exr",
            "plate_layer": "fg",
            "clean_layer": "bg",
            "view": "left",
            "hints": {"host": "nuke", "space": "ACEScg"},
            "alignment": {"kind": "translation", "gain": [1.0, 0.9, 1.1]},
            "before": {
                "plate": {"inline": 2, "name": "b.exr"},
                "clean_plate": {"digest": DIGEST},
                "core": {"inline": 3, "name": ""},
                "holdout": None,
                "alignment": {"kind": "none"},
            },
            "after": {
                "plate": {"path": "/shots/p.mov", "frame": 13},
                "clean_plate": None,
                "core": None,
                "holdout": None,
                "alignment": {},
            },
        },
        [b"core", b"holdout", b"before", b"core before"],
    ),
    (Accepted(id="a1", position=3), {"type": "accepted", "id": "a1", "position": 3}, []),
    (
        Progress(id="a1", stage="align", done=1, total=7),
        {"type": "progress", "id": "a1", "stage": "align", "done": 1, "total": 7},
        [],
    ),
    (
        MatteReply(id="a1", frame=1001, data=b"matte", diagnostics={"residual_px": 0.25}),
        {
            "type": "matte_reply",
            "id": "a1",
            "frame": 1001,
            "data": 0,
            "output": "",
            "diagnostics": {"residual_px": 0.25},
        },
        [b"matte"],
    ),
    (
        Learn(
            id="a1",
            frames=(
                LearnFrame(
                    frame=-3, plate=Digest(DIGEST), clean_plate=OnDisk("/c.exr"), key=Inline(b"key", "k.png")
                ),
                LearnFrame(
                    frame=8, plate=Inline(b"plate"), clean_plate=OnDisk("/c.exr"), alignment={"kind": "none"}
                ),
            ),
            options=MatteOptions(align="none"),
            weights=Digest(DIGEST),
            steps=20,
            shot="sh010",
        ),
        {
            "type": "learn",
            "id": "a1",
            "frames": [
                {
                    "frame": -3,
                    "plate": {"digest": DIGEST},
                    "clean_plate": {"path": "/c.exr", "frame": 0},
                    "key": {"inline": 0, "name": "k.png"},
                    "mask": None,
                    "alignment": {},
                },
                {
                    "frame": 8,
                    "plate": {"inline": 1, "name": ""},
                    "clean_plate": {"path": "/c.exr", "frame": 0},
                    "key": None,
                    "mask": None,
                    "alignment": {"kind": "none"},
                },
            ],
            "options": {"align": "none"},
            "weights": {"digest": DIGEST},
            "steps": 20,
            "seed": 1,
            "shot": "sh010",
            "view": "",
            "hints": {},
        },
        [b"key", b"plate"],
    ),
    (
        Matte(id="a1", frame=1, plate=Digest(DIGEST), clean_plate=Digest(DIGEST), weights=Digest(DIGEST)),
        {**BARE_MATTE, "weights": {"digest": DIGEST}},
        [],
    ),
    (
        LearnProgress(
            id="a1", stage="step", done=3, total=20, error=0.25, first_error=0.5, left_s=7.5, message="On."
        ),
        {
            "type": "learn_progress",
            "id": "a1",
            "stage": "step",
            "done": 3,
            "total": 20,
            "error": 0.25,
            "first_error": 0.5,
            "left_s": 7.5,
            "message": "On.",
        },
        [],
    ),
    (
        LearnReply(
            id="a1",
            steps=20,
            first_error=0.5,
            error=0.25,
            has_gained=True,
            data=b"weights",
            digest=DIGEST,
            model="m",
        ),
        {
            "type": "learn_reply",
            "id": "a1",
            "steps": 20,
            "first_error": 0.5,
            "error": 0.25,
            "has_gained": True,
            "is_complete": True,
            "data": 0,
            "digest": DIGEST,
            "model": "m",
            "diagnostics": {},
        },
        [b"weights"],
    ),
    (Stored(id="a1", digest=DIGEST), {"type": "stored", "id": "a1", "digest": DIGEST}, []),
    (
        StorePart(id="a1", digest=DIGEST, size=9, offset=4, data=b"part", name="p.exr"),
        {"type": "store_part", "id": "a1", "digest": DIGEST, "size": 9, "offset": 4, "data": 0, "name": "p.exr"},
        [b"part"],
    ),
    (
        PartStored(id="a1", digest=DIGEST, received=8),
        {"type": "part_stored", "id": "a1", "digest": DIGEST, "received": 8},
        [],
    ),
    (
        FetchResult(id="a1", target="b2", length=9, offset=4),
        {"type": "fetch_result", "id": "a1", "target": "b2", "length": 9, "offset": 4},
        [],
    ),
    (
        ResultPart(id="a1", result="c3", size=9, offset=4, data=b"part", diagnostics={"n": 1}),
        {
            "type": "result_part",
            "id": "a1",
            "result": "c3",
            "size": 9,
            "offset": 4,
            "data": 0,
            "diagnostics": {"n": 1},
        },
        [b"part"],
    ),
    (
        Pong(
            id="a1",
            version="0.1.0",
            wire=1,
            models=("difference", "v2"),
            instance="x7",
            weights={"v2": "5d1e"},
        ),
        {
            "type": "pong",
            "id": "a1",
            "version": "0.1.0",
            "wire": 1,
            "models": ["difference", "v2"],
            "instance": "x7",
            "weights": {"v2": "5d1e"},
        },
        [],
    ),
    (StatusReply(id="a1", state={"queue": 0}), {"type": "status_reply", "id": "a1", "state": {"queue": 0}}, []),
    (
        Failure(id="a1", code="busy", message="The queue is full.", hint="Wait."),
        {"type": "failure", "id": "a1", "code": "busy", "message": "The queue is full.", "hint": "Wait."},
        [],
    ),
]
IDS = [f"{case[1]['type']}-{number}" for number, case in enumerate(CASES)]


@pytest.mark.parametrize(("message", "header", "blobs"), CASES, ids=IDS)
def test_encodes_to_exactly_these_parts(message: Message, header: dict[str, Any], blobs: list[bytes]) -> None:
    magic, text, *rest = encode(message)
    assert magic == b"CPM1"
    assert json.loads(bytes(text)) == header
    assert rest == blobs


@pytest.mark.parametrize(("message", "header", "blobs"), CASES, ids=IDS)
def test_decodes_from_exactly_these_parts(message: Message, header: dict[str, Any], blobs: list[bytes]) -> None:
    assert decode([MAGIC, json.dumps(header).encode(), *blobs]) == message


@pytest.mark.parametrize(("message", "header", "blobs"), CASES, ids=IDS)
def test_a_message_without_an_id_is_refused(message: Message, header: dict[str, Any], blobs: list[bytes]) -> None:
    header = {name: value for name, value in header.items() if name != "id"}
    with pytest.raises(WireError, match="id is missing"):
        decode([MAGIC, json.dumps(header).encode(), *blobs])


def test_a_model_that_is_not_built_in_travels_by_its_name() -> None:
    """Whoever sends it need not know it: models are installed where the server runs."""
    header = json.loads(matte_header(options={"model": "my-studio_2"}))
    message = decode([MAGIC, json.dumps(header).encode(), b"plate"])
    assert isinstance(message, Matte) and message.options == MatteOptions(model="my-studio_2")
    assert json.loads(bytes(encode(message)[1]))["options"] == {"model": "my-studio_2"}
    with pytest.raises(WireError, match="model must be a name of small letters"):
        decode([MAGIC, matte_header(options={"model": "../weights"}), b"plate"])


def test_blobs_pass_through_uncopied() -> None:
    data = memoryview(bytearray(b"pixels"))
    assert encode(Store(id="a", digest=DIGEST, data=data))[2] is data
    message = decode([MAGIC, encode(Store(id="a", digest=DIGEST, data=data))[1], data])
    assert isinstance(message, Store)
    assert message.data is data


def learn_header(frames: Any = ({"frame": 1},), **changes: Any) -> bytes:
    """A Learn whose frames all have the same two pictures, and what else each of ``frames`` says."""
    same = {"plate": {"digest": DIGEST}, "clean_plate": {"digest": DIGEST}}
    listed = [{**same, **frame} for frame in frames] if isinstance(frames, (list, tuple)) else frames
    return json.dumps({"type": "learn", "id": "a1", "frames": listed, **changes}).encode()


def matte_header(**changes: Any) -> bytes:
    return json.dumps({**CASES[4][1], **changes}).encode()


LEARN_REPLY = b'{"type":"learn_reply","id":"a","steps":1,"first_error":%s,"error":0,"has_gained":%s}'

SAME = "Install the same version of Cleanplate on both sides."
BAD: list[tuple[list[bytes], str]] = [
    ([], "2 to 16 parts"),
    ([MAGIC], "2 to 16 parts"),
    ([MAGIC, b"{}"] + [b""] * 15, "2 to 16 parts"),
    ([b"CPM2", b"{}"], "speaks wire version 2, this one speaks 1. Install the same version"),
    ([b"HTTP", b"{}"], "not a Cleanplate message"),
    ([MAGIC, b"\xff\xfe"], "not JSON"),
    ([MAGIC, b"[" * 100_000], "not JSON"),
    ([MAGIC, b'{"type":"ping","id":NaN}'], "not JSON"),
    ([MAGIC, b'{"type":"ping","id":1e999}'], "not JSON"),
    ([MAGIC, b"[]"], "not a JSON object"),
    ([MAGIC, b"{}"], "type is missing"),
    ([MAGIC, b'{"type":"exec","id":"a"}'], f"its type is unknown. {SAME}"),
    ([MAGIC, b'{"type":["ping"],"id":"a"}'], "is not text"),
    ([MAGIC, b'{"type":"ping","id":"a","x":1}'], f"unknown field 'x'. {SAME}"),
    ([MAGIC, b'{"type":"ping","id":"a b"}'], "a request id is"),
    ([MAGIC, b'{"type":"ping","id":"a"}', b"stray"], "a part is not referred to"),
    ([MAGIC, matte_header(), b"", b""], "a part is not referred to"),
    ([MAGIC, matte_header()], "there is no part 0"),
    ([MAGIC, matte_header(core={"inline": 0, "name": ""}), b""], "part 0 is used twice"),
    ([MAGIC, matte_header(plate={"inline": True, "name": ""}), b""], "there is no part True"),
    ([MAGIC, matte_header(plate={"url": "http://x"}), b""], "inline, as a path or as a digest"),
    ([MAGIC, matte_header(clean_plate={"digest": "../../etc"}), b""], "a digest is 64"),
    ([MAGIC, matte_header(frame=1.5), b""], "1.5 is not a whole number"),
    ([MAGIC, matte_header(frame=True), b""], "True is not a whole number"),
    ([MAGIC, matte_header(priority="urgent"), b""], "priority must be one of"),
    ([MAGIC, matte_header(options={"sharpen": 1}), b""], f"weights, white_point. {SAME}"),
    ([MAGIC, matte_header(options={"erode": 1e9}), b""], "erode must lie in -100 to 100"),
    ([MAGIC, matte_header(options={"erode": "1"}), b""], "erode must be a number"),
    ([MAGIC, matte_header(options=[]), b""], "is not a JSON object"),
    ([MAGIC, matte_header(before={}), b""], "plate is missing"),
    ([MAGIC, matte_header(before=[]), b""], "is not a JSON object"),
    ([MAGIC, matte_header(before={"plate": None}), b""], "is not a JSON object"),
    ([MAGIC, matte_header(after={"plate": {"inline": 0, "name": ""}}), b""], "part 0 is used twice"),
    ([MAGIC, matte_header(after={"plate": {"inline": 1, "name": ""}}), b""], "there is no part 1"),
    ([MAGIC, matte_header(after={"plate": {"digest": DIGEST}, "before": None}), b""], "unknown field 'before'"),
    ([MAGIC, matte_header(after={"plate": {"digest": DIGEST}, "alignment": 1}), b""], "is not a JSON object"),
    ([MAGIC, learn_header(frames=[])], "learning takes 1 to 32 frames"),
    ([MAGIC, learn_header(frames="all")], "a list of 1 to 32 frames"),
    ([MAGIC, learn_header(frames=[{"frame": number} for number in range(33)])], "a list of 1 to 32 frames"),
    ([MAGIC, learn_header(frames=[{"frame": 1}, {"frame": 1}])], "each of them once"),
    ([MAGIC, learn_header(frames=[{"frame": 1, "mask": {"digest": DIGEST}}])], "has a mask, but no key"),
    ([MAGIC, learn_header(frames=[{"frame": 1, "key": {"inline": 0, "name": ""}}])], "there is no part 0"),
    ([MAGIC, learn_header(frames=[{"frame": 1, "holdout": None}])], "unknown field 'holdout'"),
    ([MAGIC, learn_header(steps=5001)], "at most 5000 steps"),
    ([MAGIC, learn_header(steps=-1)], "at most 5000 steps"),
    ([MAGIC, learn_header(seed=1 << 31)], "a seed is"),
    ([MAGIC, learn_header(weights="packaged")], "is not a JSON object"),
    ([MAGIC, LEARN_REPLY % (b'"0"', b"true")], "is not a number"),
    ([MAGIC, LEARN_REPLY % (b"true", b"true")], "is not a number"),
    ([MAGIC, LEARN_REPLY % (b"1e300", b"true")], "is not a number"),
    ([MAGIC, LEARN_REPLY % (b"0", b"1")], "neither true nor false"),
]


@pytest.mark.parametrize(("parts", "sentence"), BAD)
def test_refuses_with_a_sentence(parts: list[bytes], sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(parts)
    assert sentence in str(caught.value)


def test_a_refusal_still_names_the_request() -> None:
    with pytest.raises(WireError) as caught:
        decode([MAGIC, matte_header(options={"sharpen": 1}), b""])
    assert caught.value.request_id == "a1"


def test_sizes_are_checked_before_anything_is_parsed() -> None:
    limits = WireLimits(parts=3, header=100, blob=1000, total=1500)
    with pytest.raises(WireError, match="larger than 100"):
        decode([MAGIC, b"{" * 101], limits)
    with pytest.raises(WireError, match="larger than the 1500"):
        decode([MAGIC, b"{", bytes(1001)], limits)
    with pytest.raises(WireError, match="larger than the 1500"):
        decode([MAGIC, b"{", bytes(1000), bytes(500)], WireLimits(parts=4, total=1500))
    with pytest.raises(WireError, match="not a Cleanplate message"):
        decode([b"C" * 17, b"{}"], limits)


def test_a_message_as_large_as_the_limits_is_read() -> None:
    parts = encode(Store(id="a", digest=DIGEST, data=bytes(1000)))
    header = len(parts[1])
    assert decode(parts, WireLimits(parts=3, header=header, blob=1000, total=4 + header + 1000))
    with pytest.raises(WireError, match="larger than the"):
        decode(parts, WireLimits(parts=3, header=header, blob=1000, total=4 + header + 999))


names = st.from_regex(r"[A-Za-z0-9._:-]{1,80}", fullmatch=True)
texts = st.text(max_size=20)
plain_texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
"""What a field may have: nothing that acts on a terminal."""
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(texts, json_values, max_size=3)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
sources: st.SearchStrategy[Source] = st.one_of(
    st.builds(Inline, st.binary(max_size=50), texts),
    st.builds(OnDisk, plain_texts, st.integers(0, 10**6)),
    st.builds(Digest, digests),
)


@st.composite
def options(draw: st.DrawFn) -> MatteOptions:
    values: dict[str, Any] = {}
    for spec in option_specs():
        if spec.name in ("black_point", "white_point") or not draw(st.booleans()):
            continue
        if spec.choices:
            # An open choice takes names that only the server knows, such as a model installed there.
            others = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True)
            choices = st.sampled_from(spec.choices)
            values[spec.name] = draw(choices | others if spec.is_open else choices)
        elif spec.name == "region":
            values[spec.name] = " ".join(str(draw(st.integers(1, 9999))) for _ in range(4))
        elif spec.type is float:
            values[spec.name] = draw(st.floats(spec.minimum, spec.maximum))
        elif spec.type is int:
            values[spec.name] = draw(st.integers(int(spec.minimum or 0), int(spec.maximum or 0)))
        else:
            values[spec.name] = draw(st.booleans() if spec.type is bool else plain_texts)
    return MatteOptions(**values)


numbers = st.integers(-(2**53), 2**53)
maybe = st.none() | sources
floats = st.floats(-(2**53), 2**53)
learn_frames = st.builds(
    LearnFrame, frame=numbers, plate=sources, clean_plate=sources, key=sources, mask=maybe, alignment=mappings
)
neighbours = st.builds(Neighbour, plate=sources, clean_plate=maybe, core=maybe, holdout=maybe, alignment=mappings)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Matte,
        id=names,
        frame=numbers,
        plate=sources,
        clean_plate=sources,
        options=options(),
        core=maybe,
        holdout=maybe,
        priority=st.sampled_from(["interactive", "batch"]),
        shot=plain_texts,
        output=plain_texts,
        plate_layer=plain_texts,
        clean_layer=plain_texts,
        view=plain_texts,
        hints=mappings,
        alignment=mappings,
        before=st.none() | neighbours,
        after=st.none() | neighbours,
        weights=maybe,
    ),
    st.builds(
        Learn,
        id=names,
        frames=st.lists(learn_frames, min_size=1, max_size=3, unique_by=lambda frame: frame.frame).map(tuple),
        options=options(),
        weights=maybe,
        steps=st.integers(0, 5000),
        seed=st.integers(0, 2**31 - 1),
        shot=plain_texts,
        view=plain_texts,
        hints=mappings,
    ),
    st.builds(
        LearnReply,
        id=names,
        steps=numbers,
        first_error=floats,
        error=floats,
        has_gained=st.booleans(),
        data=st.binary(max_size=50),
        digest=texts,
    ),
    st.builds(LearnProgress, id=names, stage=texts, done=numbers, total=numbers, error=floats, left_s=floats),
    st.builds(Store, id=names, digest=digests, data=st.binary(max_size=50), name=texts),
    st.builds(MatteReply, id=names, frame=numbers, data=st.binary(max_size=50), output=texts, diagnostics=mappings),
    st.builds(Progress, id=names, stage=texts, done=numbers, total=numbers),
    st.builds(Failure, id=names, code=texts, message=texts, hint=texts),
    st.builds(
        Pong,
        id=names,
        version=texts,
        wire=numbers,
        models=st.lists(texts, max_size=3).map(tuple),
        instance=texts,
        weights=mappings,
    ),
    st.builds(StatusReply, id=names, state=mappings),
)


@given(messages)
@settings(max_examples=100, deadline=None)
def test_round_trip(message: Message) -> None:
    assert decode(encode(message)) == message


def test_the_largest_request_is_within_the_limits() -> None:
    pictures: dict[str, Any] = {name: Inline(name.encode()) for name in PICTURES}
    every = Neighbour(**pictures)
    request = Matte(id="a", frame=1, **pictures, before=every, after=every, weights=Inline(b"weights"))
    assert decode(encode(request)) == request


def test_pictures_by_role_go_in_where_they_came_out() -> None:
    request = CASES[5][0]
    assert isinstance(request, Matte)
    roles = sources_of(request)
    assert list(roles) == [
        *("plate", "clean_plate", "core", "holdout"),
        *("before_plate", "before_clean_plate", "before_core", "after_plate"),
    ]
    named = {role: Inline(role.encode()) for role in roles}
    changed = with_sources(request, named)
    assert sources_of(changed) == named
    assert with_sources(changed, roles) == request


def test_what_is_learnt_from_has_roles_by_frame() -> None:
    request = next(message for message, _, _ in CASES if isinstance(message, Learn))
    roles = sources_of(request)
    assert list(roles) == ["weights", *("-3_plate", "-3_clean_plate", "-3_key"), *("8_plate", "8_clean_plate")]
    named = {role: Inline(role.encode()) for role in roles}
    changed = with_sources(request, named)
    assert sources_of(changed) == named
    assert with_sources(changed, roles) == request


def test_a_matte_without_weights_is_written_as_older_versions_read_it() -> None:
    message = Matte(id="a1", frame=1, plate=Digest(DIGEST), clean_plate=Digest(DIGEST))
    assert json.loads(bytes(encode(message)[1])) == BARE_MATTE


HUGE = 10**400
NUMBERS: tuple[Any, ...] = (HUGE, -HUGE, 2**63, 1e308, -0.5, 5e-324, True, None)
ODD: tuple[Any, ...] = (*NUMBERS, "", "\ud800", "\x1b[2J", "9" * 5000, [], {}, [[[]]], [{}] * 40)
"""Values for any place of a header; JSON has no others but numbers that are not finite, which are refused."""


def _with_odd_values(value: Any) -> Iterator[Any]:
    """A header with one of its values replaced, for each value at any depth and each of the odd ones."""
    for key in value if isinstance(value, dict) else range(len(value)):
        inner = value[key]
        replaced = [*ODD, *(_with_odd_values(inner) if isinstance(inner, (dict, list)) else ())]
        for odd in replaced:
            copy = value.copy()
            copy[key] = odd
            yield copy


@pytest.mark.parametrize(("message", "header", "blobs"), CASES, ids=IDS)
def test_an_odd_value_in_any_place_is_refused_by_its_id_or_can_be_passed_on(
    message: Message, header: dict[str, Any], blobs: list[bytes]
) -> None:
    for odd in _with_odd_values(header):
        try:
            found = decode([MAGIC, json.dumps(odd).encode(), *blobs])
        except WireError as error:
            # Whoever waits for an answer waits for this id.
            assert error.request_id == (odd["id"] if odd["id"] == header["id"] else ""), odd
        else:
            assert decode(encode(found)) == found


@given(st.lists(st.binary(max_size=60), max_size=6))
@settings(max_examples=200, deadline=None)
def test_garbage_raises_only_our_error(parts: list[bytes]) -> None:
    with pytest.raises(WireError):
        decode(parts)


@given(messages, st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_message_decodes_or_raises_our_error(message: Message, data: st.DataObject) -> None:
    parts = [bytearray(part) for part in encode(message)]
    part = data.draw(st.sampled_from([part for part in parts if part]))
    part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode([bytes(part) for part in parts])
    except WireError as error:
        assert str(error)


@given(json_values)
@settings(max_examples=100, deadline=None)
def test_any_json_header_raises_only_our_error(value: Any) -> None:
    with pytest.raises(WireError):
        decode([MAGIC, json.dumps(value).encode()])
