"""Makes the packaged demo shot.

``python -m matte_server.training.demo_shot.make_shot --renders FOLDER --hdri FOLDER``.

``FOLDER`` holds ``room.exr`` from ``render_room.py`` and the person of ``render_subject.py``. What a camera does is
put on top: a hand-held camera that turns about its lens, so that frames and clean plate differ by homographies;
a lens that softens; exposure that drifts; noise of its own in every picture. Alpha is moved by the same camera and
nothing else, and ``plate = alpha * foreground + (1 - alpha) * room`` holds before exposure and noise, in
scene-linear light: that alpha is the truth.

The pictures are ours; the new background is a view into one of HDRI Haven's CC0 panoramas.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ...core.image import Float32, Image
from ...core.window import Window
from ...demo.packaged import FRAMES, LENS_MM, RENDER_SIZE, SENSOR_MM, SIZE, demo_shot
from ...io import exr
from .strands import HairLook, Light, PinholeCamera, assemble, draw, shade

Matrix = npt.NDArray[np.float64]

FIRST_FRAME = 1001
_SEED = 5
_FOCAL_PX = LENS_MM / SENSOR_MM * RENDER_SIZE[0]
_LENS_SOFTNESS_PX = 0.55
# Sensor noise: variance = read noise squared + shot noise per unit of light, that of a good camera at ISO 800.
_READ_NOISE, _SHOT_NOISE = 0.0015, 0.00006
_NOISE_SOFTNESS_PX = 0.5
# A strand that lies this close to the skin is in front of it.
_ON_SKIN_M = 0.004

AUBURN = HairLook(root=(0.06, 0.023, 0.0095), tip=(0.15, 0.06, 0.024), shine=0.3, spread=0.4)
LIGHTS = (
    Light(direction=(-0.65, -0.41, 0.64), colour=(3.2, 3.05, 2.9)),  # the key
    Light(direction=(0.0, -1.0, 0.2), colour=(0.35, 0.35, 0.36)),  # the room's light from ahead,
    Light(direction=(0.0, 0.2, 1.0), colour=(0.5, 0.5, 0.5)),  # from above
    Light(direction=(1.0, 0.3, 0.2), colour=(0.6, 0.45, 0.3)),  # and from the lamp
)


def make_shot(renders: Path, hdri: Path, out: Path) -> None:
    """Writes plates, clean plate, true alpha and background into ``out``."""
    shot = demo_shot(out)
    room = _blurred(exr.read_image(renders / "room.exr").rgb, _LENS_SOFTNESS_PX)
    # DWAA loses less than the noise that the sensor put in.
    lossy, lossless = (
        exr.ExrFormat(bit_depth="half", compression="dwaa"),
        exr.ExrFormat(bit_depth="half", compression="zip"),
    )
    for index in range(FRAMES):
        matrix = camera_matrix(index)
        subject = _moved(_blurred(_subject(renders, index), _LENS_SOFTNESS_PX), matrix)
        alpha = np.clip(subject[..., 3:], 0.0, 1.0)
        comp = np.maximum(subject[..., :3], 0.0) + (1.0 - alpha) * _moved(room, matrix)
        plate = exposed(comp, index)
        number = f"{FIRST_FRAME + index}"
        exr.write_image(Path(shot.plate.replace("####", number)), _image(plate, "RGB"), lossy)
        exr.write_image(Path(shot.truth.replace("####", number)), _image(alpha, "A"), lossless)
    clean = exposed(_moved(room, camera_matrix(-4)), -4)
    exr.write_image(Path(shot.clean_plate), _image(clean, "RGB"), lossy)
    exr.write_image(Path(shot.background), _image(view_into(hdri), "RGB"), lossy)


def camera_matrix(index: int) -> Matrix:
    """Render coordinates to frame coordinates: a hand-held camera turns by a few tenths of a degree."""
    t = float(index)
    yaw, pitch, roll = np.radians([
        0.42 * np.sin(0.55 * t + 0.4) + 0.1 * np.sin(1.9 * t),
        0.3 * np.sin(0.47 * t + 2.0) + 0.08 * np.sin(2.3 * t),
        0.25 * np.sin(0.38 * t + 1.0),
    ])  # fmt: skip
    turn = _rotation(0, pitch) @ _rotation(1, yaw) @ _rotation(2, roll)
    breath = 1.0 + 0.0015 * np.sin(0.6 * t)
    render = np.array([
        [_FOCAL_PX, 0, RENDER_SIZE[0] / 2 - 0.5], [0, _FOCAL_PX, RENDER_SIZE[1] / 2 - 0.5], [0, 0, 1],
    ])  # fmt: skip
    frame = np.array([
        [_FOCAL_PX * breath, 0, SIZE[0] / 2 - 0.5], [0, _FOCAL_PX * breath, SIZE[1] / 2 - 0.5], [0, 0, 1],
    ])  # fmt: skip
    matrix: Matrix = frame @ turn @ np.linalg.inv(render)
    return matrix


def _rotation(axis: int, angle: float) -> Matrix:
    i, j = (k for k in range(3) if k != axis)
    turn = np.eye(3)
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    return turn


def exposed(light: Float32, index: int) -> Float32:
    """What the sensor makes of ``light``: drifting gain, a slight drift of white, noise."""
    chance = np.random.default_rng([_SEED, index + 100])
    gain = 1.0 + 0.011 * index + 0.004 * np.array([np.sin(index), 0.0, -np.sin(0.8 * index)])
    signal = light * gain.astype(np.float32)
    noise = _blurred(chance.standard_normal(signal.shape).astype(np.float32), _NOISE_SOFTNESS_PX)
    variance = _READ_NOISE**2 + _SHOT_NOISE * np.maximum(signal, 0.0)
    return np.asarray(signal + noise / noise.std() * np.sqrt(variance), np.float32)


def view_into(hdri: Path) -> Float32:
    """A defocused view into a panorama, as bright as the plates: the new background."""
    panorama = exr.read_image(hdri / "forest_slope_1k.hdr").rgb
    height, width = panorama.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]) * SIZE[1] / SIZE[0])
    across = np.radians(_VIEW_TURN) + np.arctan(x * np.tan(np.radians(_VIEW_WIDTH / 2)))
    down = np.radians(_VIEW_DOWN) + np.arctan(y * np.tan(np.radians(_VIEW_WIDTH / 2)))
    map_x = (across / (2 * np.pi) % 1.0 * width).astype(np.float32)
    map_y = ((0.5 + down / np.pi) * height).astype(np.float32)
    view = cv2.remap(panorama, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    view = np.clip(view, 0.0, 40.0 * float(np.median(view)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_BOKEH_PX, _BOKEH_PX)).astype(np.float32)
    blurred = cv2.filter2D(view, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred * (_VIEW_LEVEL / float(np.median(blurred))), np.float32)


# Degrees: where the view looks in the panorama and how wide it is. Pixels of the circle of confusion. Median light.
_VIEW_TURN, _VIEW_DOWN, _VIEW_WIDTH = 190.0, -4.0, 75.0
_BOKEH_PX = 15
_VIEW_LEVEL = 0.15


def _subject(renders: Path, index: int) -> Float32:
    """The person with her hair: premultiplied R, G, B, A at the size of the renders."""
    body = exr.read_image(renders / f"body.{index:04d}.exr").pixels
    depth = exr.read_image(renders / f"depth.{index:04d}.exr").pixels
    reach = np.where(depth[..., 3] > 0, depth[..., 0], np.inf).astype(np.float32)
    with np.load(renders / f"hair.{index:04d}.npz") as saved:
        strands, place = saved["points"], saved["camera"].astype(np.float32)
    camera = PinholeCamera(place, _FOCAL_PX, *RENDER_SIZE)
    light = shade(strands, AUBURN, LIGHTS, camera.place, _SEED)
    return assemble(body, *draw(strands, light, camera, reach + _ON_SKIN_M))


def _blurred(picture: Float32, radius: float) -> Float32:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), radius), np.float32)


def _moved(picture: Float32, matrix: Matrix) -> Float32:
    return np.asarray(cv2.warpPerspective(picture, matrix, SIZE, flags=cv2.INTER_CUBIC), np.float32)


def _image(pixels: Float32, channels: str) -> Image:
    window = Window(0, 0, *SIZE)
    return Image(
        pixels=np.ascontiguousarray(pixels, np.float32),
        channels=tuple(channels),
        data_window=window,
        display_window=window,
    )


def main(arguments: list[str]) -> int:
    """The command; returns its exit code."""
    prog = "python -m matte_server.training.demo_shot.make_shot"
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("--renders", type=Path, required=True, help="room.exr and what render_subject wrote")
    parser.add_argument("--hdri", type=Path, required=True, help="folder of equirectangular .hdr files")
    parser.add_argument("--out", type=Path, default=Path(demo_shot().clean_plate).parent)
    options = parser.parse_args(arguments)
    make_shot(options.renders, options.hdri, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
