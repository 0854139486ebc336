"""Smoothing in time through the real server: what is sent, what is cached, and what stays unchanged."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matte_link.client import MatteClient
from matte_link.errors import RemoteError
from matte_link.messages import Digest, Inline, Matte, MatteReply, Neighbour, OnDisk
from matte_link.options import MatteOptions

from matte_server.core.image import Float32, Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from tests.matte_server.pictures import room, soft_disc

HEIGHT, WIDTH, COUNT = 96, 128, 5
SMOOTH = MatteOptions(model="difference", align="none", match_exposure=False, bit_depth="float", temporal=1.0)
_NUMBERS = itertools.count()


def encoded(pixels: Float32, data: Window | None = None, display: Window | None = None) -> bytes:
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    names = ("R", "G", "B") if pixels.shape[-1] == 3 else ("A",)
    image = Image(
        pixels=np.ascontiguousarray(pixels, np.float32),
        channels=names,
        data_window=data or window,
        display_window=display or data or window,
    )
    return exr.encode_exr(image, {}, exr.ExrFormat("float"))


def plate_of(number: int) -> Float32:
    """A disc that drifts by a third of a pixel a frame, with the grain of each frame its own."""
    alpha = soft_disc(HEIGHT, WIDTH, (60 + number / 3, 48), 26, 5.0)[..., None]
    shade = np.linspace(0.6, 1.4, WIDTH)[None, :, None] * np.array([0.9, 0.2, 0.1])
    grain = np.random.default_rng(number).normal(0, 0.02, (HEIGHT, WIDTH, 3))
    return np.asarray(alpha * shade + (1 - alpha) * room(HEIGHT, WIDTH) + grain, np.float32)


PLATES = [encoded(plate_of(number)) for number in range(COUNT)]
CLEAN = encoded(room(HEIGHT, WIDTH))


def request_for(number: int, options: MatteOptions = SMOOTH, **changes: Any) -> Matte:
    """A frame with the neighbours that it has."""

    def neighbour(other: int) -> Neighbour | None:
        return Neighbour(plate=Inline(data=PLATES[other], name="p.exr")) if 0 <= other < COUNT else None

    basic = Matte(
        id=f"n{next(_NUMBERS)}",
        frame=number,
        plate=Inline(data=PLATES[number], name="p.exr"),
        clean_plate=Inline(data=CLEAN, name="c.exr"),
        options=options,
        before=neighbour(number - 1),
        after=neighbour(number + 1),
    )
    return replace(basic, **changes)


def pixels_of(reply: MatteReply) -> Float32:
    return exr.read_image(bytes(reply.data)).pixels


def alpha_of(reply: MatteReply) -> Float32:
    return pixels_of(reply)[..., 3]


def warnings(reply: MatteReply) -> str:
    return " ".join(reply.diagnostics["warnings"])


def test_flicker_falls_and_each_neighbours_weight_is_reported(client: MatteClient) -> None:
    alone = [alpha_of(client.matte(request_for(n, replace(SMOOTH, temporal=0.0)))) for n in range(COUNT)]
    replies = [client.matte(request_for(number)) for number in range(COUNT)]
    together = [alpha_of(reply) for reply in replies]

    def flicker(alphas: list[Float32]) -> float:
        return float(np.mean([np.square(b - a).mean() for a, b in itertools.pairwise(alphas)]) ** 0.5)

    # Independent errors of standard deviation s: changes of s sqrt(2) alone, of s sqrt(2) / 3 as means of three
    # that share two; the ends have one neighbour, and part of what changes is the disc's own drift.
    assert flicker(together) < 0.7 * flicker(alone)
    weights = [reply.diagnostics["temporal"] for reply in replies]
    assert [[weight[side] is None for side in ("before", "after")] for weight in weights] == [
        [True, False], [False, False], [False, False], [False, False], [False, True]
    ]  # fmt: skip
    # The set and the subject both stand still to within a third of a pixel.
    assert all(value > 0.8 for weight in weights for value in weight.values() if value is not None)


def test_the_result_is_the_same_to_the_bit_with_a_cold_and_a_warm_cache(client: MatteClient) -> None:
    """In order, backwards, and the last ones on a fresh server: a farm may split a shot anywhere."""
    forwards = [pixels_of(client.matte(request_for(number))) for number in range(COUNT)]
    backwards = [pixels_of(client.matte(request_for(number))) for number in reversed(range(COUNT))]
    for number in range(COUNT):
        np.testing.assert_array_equal(backwards[COUNT - 1 - number], forwards[number])
    with LocalServer(["--device", "cpu"]) as other, MatteClient(other.endpoint) as fresh:
        np.testing.assert_array_equal(pixels_of(fresh.matte(request_for(3))), forwards[3])
        np.testing.assert_array_equal(pixels_of(fresh.matte(request_for(2))), forwards[2])


def test_without_smoothing_neighbours_change_nothing(client: MatteClient) -> None:
    off = replace(SMOOTH, temporal=0.0)
    with_neighbours = client.matte(request_for(2, off))
    without = client.matte(request_for(2, off, before=None, after=None))
    np.testing.assert_array_equal(pixels_of(with_neighbours), pixels_of(without))
    assert "temporal" not in without.diagnostics and not without.diagnostics["warnings"]


def test_a_frame_without_neighbours_is_the_unsmoothed_one_with_a_warning(client: MatteClient) -> None:
    reply = client.matte(request_for(2, before=None, after=None))
    off = client.matte(request_for(2, replace(SMOOTH, temporal=0.0)))
    np.testing.assert_array_equal(pixels_of(reply), pixels_of(off))
    assert "Temporal smoothing had no frame before or after this one" in warnings(reply)
    assert reply.diagnostics["temporal"] == {"before": None, "after": None}


@pytest.mark.parametrize(
    ("plate", "warning"),
    [
        (encoded(np.full((HEIGHT, WIDTH, 3), np.nan, np.float32)), "NaN or infinite values"),
        (b"not a picture", "cannot be read"),
        (encoded(plate_of(1), display=Window(0, 0, 64, 48)), "another display window"),
    ],
    ids=["not finite", "unreadable", "format"],
)
def test_a_neighbour_that_cannot_be_used_is_left_out_with_a_warning(
    client: MatteClient, plate: bytes, warning: str
) -> None:
    broken = Neighbour(plate=Inline(data=plate, name="broken.exr"))
    reply = client.matte(request_for(2, before=broken))
    without = client.matte(request_for(2, before=None))
    np.testing.assert_array_equal(pixels_of(reply), pixels_of(without))
    assert "The frame before was left out of temporal smoothing." in warnings(reply)
    assert warning in warnings(reply)
    assert not warnings(without)


def test_data_windows_may_differ(client: MatteClient) -> None:
    """Renders come cropped to what they show: the part that a neighbour lacks is not smoothed by it."""
    display = Window(0, 0, WIDTH, HEIGHT)
    part = Window(20, 10, 70, 60)
    crop = plate_of(1)[10:70, 20:90]
    cropped = Neighbour(plate=Inline(data=encoded(crop, part, display), name="p.exr"))
    reply = client.matte(request_for(2, before=cropped, after=None))
    alone = client.matte(request_for(2, before=None, after=None))
    changed = np.abs(alpha_of(reply) - alpha_of(alone)) > 0
    assert changed[10:70, 20:90].any()
    changed[10:70, 20:90] = False
    assert not changed.any()


def test_the_frames_guides_hold_exactly_and_the_edge_controls_see_the_smoothed_alpha(client: MatteClient) -> None:
    core = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    core[:20, :20] = 1.0
    reply = client.matte(request_for(2, core=Inline(data=encoded(core), name="core.exr")))
    assert alpha_of(reply)[:20, :20].min() == 1.0
    # The neighbours have no guide, and no subject there.
    smoothed = alpha_of(client.matte(request_for(2)))
    hard = alpha_of(client.matte(request_for(2, replace(SMOOTH, black_point=0.3, white_point=0.7))))
    # float32: (a - 0.3) / 0.4 of the smoothed alpha, to its last places.
    np.testing.assert_allclose(hard, np.clip((smoothed - 0.3) / 0.4, 0, 1), atol=1e-5)


def test_the_foreground_is_solved_with_the_smoothed_alpha(client: MatteClient) -> None:
    """It is the plate where alpha is 1, and no longer where smoothing took alpha below 1."""
    smoothed, own = (
        pixels_of(client.matte(request_for(2, replace(SMOOTH, temporal=amount)))) for amount in (1.0, 0.0)
    )
    opened = (own[..., 3] == 1.0) & (smoothed[..., 3] < 1.0)
    assert opened.any()
    np.testing.assert_array_equal(own[opened][:, :3], plate_of(2)[opened])
    assert (smoothed[opened][:, :3] != plate_of(2)[opened]).any(axis=-1).mean() > 0.9


def test_neighbours_by_path_are_the_same_and_only_inside_the_roots(
    client: MatteClient, roots: str, tmp_path: Path
) -> None:
    inside = Path(roots, "before.exr")
    inside.write_bytes(PLATES[1])
    wanted = pixels_of(client.matte(request_for(2)))
    found = client.matte(request_for(2, before=Neighbour(plate=OnDisk(str(inside)))))
    np.testing.assert_array_equal(pixels_of(found), wanted)
    outside = tmp_path / "outside.exr"
    outside.write_bytes(PLATES[1])
    good = Inline(data=PLATES[1], name="p.exr")
    link = Path(roots, "neighbours_link.exr")
    link.symlink_to(outside)
    for path in (str(outside), str(link), f"{roots}/../{outside.name}", "relative.exr"):
        for bad in (
            Neighbour(plate=OnDisk(path)),
            Neighbour(plate=good, clean_plate=OnDisk(path)),
            Neighbour(plate=good, core=OnDisk(path)),
            Neighbour(plate=good, holdout=OnDisk(path)),
        ):
            for side in ("before", "after"):
                # Also where neighbours are not used.
                for options in (SMOOTH, replace(SMOOTH, temporal=0.0)):
                    with pytest.raises(RemoteError) as caught:
                        client.matte(request_for(2, options, **{side: bad}))
                    assert caught.value.code == "path_refused"


def test_a_neighbour_that_is_not_there_is_left_out_and_a_frame_fails(client: MatteClient, roots: str) -> None:
    gone = OnDisk(str(Path(roots, "gone.exr")))
    reply = client.matte(request_for(2, before=Neighbour(plate=gone)))
    assert "gone.exr does not exist." in warnings(reply)
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(2, plate=gone))
    assert caught.value.code == "missing_file"


def test_the_neighbours_are_a_stage_of_their_own(client: MatteClient) -> None:
    stages = client.matte(request_for(2, replace(SMOOTH, gamma=1.1, colourspace="linear"))).diagnostics["seconds"]
    first = ["read", "neighbours", "align", "exposure", "warp", "model"]
    assert list(stages)[:6] == first
    again = client.matte(request_for(2, replace(SMOOTH, gamma=1.2, colourspace="linear"))).diagnostics["seconds"]
    # Once the frame's own result is made, what only that needed is dropped from the cache.
    assert list(again)[:6] == first


def test_a_cached_output_is_known_by_everything_it_is_made_from(client: MatteClient) -> None:
    """Each of these neighbours is another one, although the plate is the same."""
    core = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    core[40:56, 20:40] = 1.0
    clean = room(HEIGHT, WIDTH)
    clean[60:80, 100:120] *= 1.6
    plate = Inline(data=PLATES[1], name="p.exr")
    shifted = {"transform": [[1, 0, 3], [0, 1, 0], [0, 0, 1]], "gain": [1, 1, 1], "offset": [0, 0, 0]}
    around = [
        Neighbour(plate=plate),
        Neighbour(plate=plate, clean_plate=Inline(data=encoded(clean), name="c.exr")),
        Neighbour(plate=plate, core=Inline(data=encoded(core), name="o.exr")),
        Neighbour(plate=plate, alignment=shifted),
    ]
    found = []
    for before in around:
        # The plain one first, so that it is in the cache and could be mistaken for the other.
        client.matte(request_for(2, before=around[0]))
        found.append(pixels_of(client.matte(request_for(2, before=before))))
    found += [pixels_of(client.matte(request_for(2, replace(SMOOTH, region="0 0 70 96"), before=around[0])))]
    for one, other in itertools.combinations(found, 2):
        assert not np.array_equal(one, other)
    again = pixels_of(client.matte(request_for(2, before=around[0])))
    np.testing.assert_array_equal(again, found[0])


def test_a_neighbour_is_not_written_over(client: MatteClient, roots: str) -> None:
    path = Path(roots, "neighbour.exr")
    path.write_bytes(PLATES[1])
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(2, before=Neighbour(plate=OnDisk(str(path))), output=str(path)))
    assert caught.value.code == "output_is_input" and path.read_bytes() == PLATES[1]


def test_a_file_that_changes_under_its_name_is_read_again(client: MatteClient, roots: str) -> None:
    path = Path(roots, "changing.exr")
    results = []
    for number in (1, 0):
        path.write_bytes(PLATES[number])
        results.append(pixels_of(client.matte(request_for(2, before=Neighbour(plate=OnDisk(str(path)))))))
    wanted = pixels_of(client.matte(request_for(2, before=Neighbour(plate=Inline(data=PLATES[0], name="p.exr")))))
    np.testing.assert_array_equal(results[1], wanted)
    assert not np.array_equal(results[0], results[1])


def test_a_neighbours_picture_that_the_server_lacks_is_named(client: MatteClient) -> None:
    missing = Neighbour(plate=Digest("0" * 64))
    with pytest.raises(RemoteError) as caught:
        client.matte(request_for(2, after=missing))
    assert caught.value.code == "after_plate_unknown"
    assert "the plate of the frame after" in caught.value.message


def test_a_sequence_sends_and_computes_each_frame_once(client: MatteClient) -> None:
    fresh = [encoded(plate_of(number + 40)) for number in range(4)]

    def neighbour(number: int) -> Neighbour | None:
        return Neighbour(plate=Inline(data=fresh[number], name="p.exr")) if 0 <= number < 4 else None

    client.matte(request_for(0))
    before = client.status().state["bytes"]["in"]
    stages = []
    for number in range(4):
        plate = Inline(data=fresh[number], name="p.exr")
        request = request_for(0, plate=plate, before=neighbour(number - 1), after=neighbour(number + 1))
        stages.append(client.matte(request).diagnostics["seconds"])
    assert client.status().state["bytes"]["in"] - before == sum(map(len, fresh))
    # The first frame has a model run of its own; the others' ran when they were the frame after.
    assert ["model" in seconds for seconds in stages] == [True, False, False, False]
