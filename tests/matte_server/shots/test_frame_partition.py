"""The order in which a shot's frames are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from matte_server.shots.frame_partition import FramePartition
from matte_server.shots.shot import ShotFrame


def frames(count: int) -> list[ShotFrame]:
    return [ShotFrame(1001 + n, Path("p"), Path("c"), Path("o")) for n in range(count)]


def begun(lanes: FramePartition, count: int) -> list[int]:
    found = [lanes.next() for _ in range(count)]
    return [frame.frame for frame in found if frame is not None]


def test_one_lane_is_the_shots_own_order() -> None:
    lanes = FramePartition(frames(4), 1)
    assert begun(lanes, 6) == [1001, 1002, 1003, 1004]


def test_each_lane_goes_on_where_one_of_its_own_has_ended() -> None:
    lanes = FramePartition(frames(7), 2)
    assert begun(lanes, 4) == [1001, 1005, 1002, 1006]
    # A process that is still starting holds its own lane up and not the other one.
    for frame in (1001, 1002):
        lanes.close(frame)
    assert begun(lanes, 2) == [1003, 1004]
    lanes.close(1005)
    lanes.close(1006)
    assert begun(lanes, 3) == [1007]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("lanes", [1, 2, 4, 12])
def test_every_frame_is_begun_once(count: int, lanes: int) -> None:
    order = FramePartition(frames(count), lanes)
    assert sorted(begun(order, count + 3)) == [1001 + n for n in range(count)]
