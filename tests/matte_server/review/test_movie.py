"""The preview: frames in order, at their time, readable by others."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from matte_server.core.image import Float32
from matte_server.io.media import VideoReader
from matte_server.review.movie import for_movie, movie_size, write_preview

RATE = Fraction(24000, 1001)


def flat(light: float, height: int = 48, width: int = 64) -> Float32:
    return np.full((height, width, 3), light, np.float32)


def levels(path: Path) -> list[float]:
    with VideoReader(path) as video:
        middles = [video.read(number).pixels for number in range(1, video.facts.frames + 1)]
    return [float(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2, 1]) for pixels in middles]


def test_frames_come_back_in_order_with_their_light(tmp_path: Path) -> None:
    lights = [0.02, 0.18, 0.5, 4.0]
    write_preview(tmp_path / "p.mp4", [flat(light) for light in lights], RATE)
    with VideoReader(tmp_path / "p.mp4") as video:
        assert (video.facts.frames, video.facts.rate, video.read(1).pixels.shape) == (4, RATE, (48, 64, 3))
    expected = [float(for_movie(flat(light), (64, 48)).pixels[0, 0, 1]) for light in lights]
    # Flat pictures in 8-bit H.264 of high quality: within two codes.
    np.testing.assert_allclose(levels(tmp_path / "p.mp4"), expected, atol=2 / 255)


def test_a_frame_without_a_result_is_black_and_keeps_the_time(tmp_path: Path) -> None:
    write_preview(tmp_path / "p.mp4", [None, flat(0.5), None, flat(0.5)], RATE)
    assert [level > 0.3 for level in levels(tmp_path / "p.mp4")] == [False, True, False, True]


def test_a_frame_of_another_size_is_fitted(tmp_path: Path) -> None:
    write_preview(tmp_path / "p.mp4", [flat(0.5), flat(0.5, 200, 100)], RATE)
    with VideoReader(tmp_path / "p.mp4") as video:
        second = video.read(2).pixels
    assert second.shape == (48, 64, 3)
    assert second[24, 32, 1] > 0.3 and second[24, 3, 1] < 0.1


@pytest.mark.parametrize(
    ("picture", "size"),
    [((1081, 1921), (1920, 1080)), ((2160, 3840), (1920, 1080)), ((3, 5), (4, 2)), ((1, 1), (2, 2))],
)
def test_sides_are_even_and_bounded(picture: tuple[int, int], size: tuple[int, int]) -> None:
    assert movie_size(flat(0.1, *picture)) == size


def test_nothing_is_left_behind_where_a_frame_fails(tmp_path: Path) -> None:
    def broken() -> Iterator[Float32]:
        yield flat(0.5)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_preview(tmp_path / "p.mp4", broken(), RATE)
    assert list(tmp_path.iterdir()) == []


def test_without_any_picture_there_is_no_file(tmp_path: Path) -> None:
    write_preview(tmp_path / "p.mp4", [None, None], RATE)
    assert list(tmp_path.iterdir()) == []
