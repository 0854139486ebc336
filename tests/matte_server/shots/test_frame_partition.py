"""The order in which a shot's frames are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from matte_server.shots.frame_partition import FramePartition
from matte_server.shots.shot import ShotFrame


def frames(count: int) -> list[ShotFrame]:
    return [ShotFrame(1001 + n, Path("p"), Path("c"), Path("o")) for n in range(count)]


def taken(partition: FramePartition, count: int) -> list[int]:
    found = [partition.next() for _ in range(count)]
    return [frame.frame for frame in found if frame is not None]


def test_one_run_is_the_shots_own_order() -> None:
    partition = FramePartition(frames(4), 1)
    assert taken(partition, 6) == [1001, 1002, 1003, 1004]


def test_the_next_frame_comes_from_the_run_whose_frame_has_ended() -> None:
    partition = FramePartition(frames(7), 2)
    assert taken(partition, 4) == [1001, 1005, 1002, 1006]
    # A process that is still starting holds its own run up and not the other one.
    for frame in (1001, 1002):
        partition.close(frame)
    assert taken(partition, 2) == [1003, 1004]
    partition.close(1005)
    partition.close(1006)
    assert taken(partition, 3) == [1007]


def test_a_frame_that_ends_makes_room_for_one() -> None:
    partition = FramePartition(frames(8), 2)
    assert taken(partition, 4) == [1001, 1005, 1002, 1006]
    partition.close(1005)
    assert taken(partition, 2) == [1007, 1003]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("runs", [1, 2, 4, 12])
def test_every_frame_is_taken_once(count: int, runs: int) -> None:
    order = FramePartition(frames(count), runs)
    assert sorted(taken(order, count + 3)) == [1001 + n for n in range(count)]
