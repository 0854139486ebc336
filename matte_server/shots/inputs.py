"""A shot's pictures on the client's side: what is sent to the server, and what is looked at here.

Files are sent as they are; a video's picture is sent as a scene-linear half-float EXR, because only this side
opens videos.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from blake3 import blake3
from matte_link.messages import Inline
from matte_link.options import MatteOptions

from ..core.image import SCENE_LINEAR, Image
from ..core.trimap import guides_of
from ..errors import MatteError
from ..io import exr
from ..io.colour import clean_plate_space, from_scene_linear, resolve, to_scene_linear
from ..io.media import VideoReader, is_video
from .shot import ShotFrame

_VIDEOS_OPEN = 6
_SENT_KEPT = 8
_STILLS_KEPT = 2
_PASSING_KEPT = 8
_SENT = exr.ExrFormat("half", "none")
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class NamedPicture:
    """A picture as it goes to the server, and its content's name, by which a frame that is there is known to be
    made of it: BLAKE3, in an eighth of the time of what the wire names pictures by."""

    picture: Inline
    digest: str

    @classmethod
    def of(cls, data: bytes, name: str) -> NamedPicture:
        """A file's bytes under its name for messages."""
        return cls(Inline(data, name), blake3(data).hexdigest())


class _SharedCache(Generic[Kept]):
    """The last few results of something slow, made once each however many threads ask."""

    def __init__(self, size: int, let_go: Callable[[Kept], None] = lambda kept: None) -> None:
        self._size = size
        self._let_go = let_go
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._let_go(self._kept.popitem(last=False)[1])
            return self._kept[key]

    def clear(self) -> None:
        with self._lock:
            while self._kept:
                self._let_go(self._kept.popitem(last=False)[1])


class ShotInputs:
    """Reads a shot's pictures; may be used by several threads. Holds a few of them, never a whole shot.

    Use as a context manager, or call :meth:`close`.
    """

    def __init__(self, options: MatteOptions) -> None:
        self.options = options
        self._backgrounds: _SharedCache[Image] = _SharedCache(1)
        self._videos: _SharedCache[VideoReader] = _SharedCache(_VIDEOS_OPEN, VideoReader.close)
        self._of_videos: _SharedCache[NamedPicture] = _SharedCache(_SENT_KEPT)
        # Smoothing in time names a frame's pictures for its neighbours too.
        self._in_time = options.temporal > 0
        self._stills: _SharedCache[NamedPicture] = _SharedCache(_PASSING_KEPT if self._in_time else _STILLS_KEPT)
        self._passing: _SharedCache[NamedPicture] = _SharedCache(_PASSING_KEPT)
        self._digests: dict[Hashable, str] = {}

    def __enter__(self) -> ShotInputs:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of files and memory."""
        for shelf in (self._videos, self._of_videos, self._stills, self._passing, self._backgrounds):
            shelf.clear()

    def video(self, path: Path) -> VideoReader:
        """An open video."""
        return self._videos.get(_state(path), lambda: VideoReader(path))

    def sent(self, frame: ShotFrame, role: str) -> NamedPicture | None:
        """What goes to the server for a role; None where the shot has no such picture. A clean plate that every
        frame shares is read once, and where frames follow their neighbours, so is every picture. Raises ``OSError``
        and ``MatteError``."""
        if frame.trimap is not None and role in ("core", "holdout"):
            trimap, picture = frame.trimap, frame.video_frames.get("trimap", 0)
            key = (_state(trimap), picture, role)
            return self._passed(key, lambda: self._of_trimap(trimap, picture, role))
        path: Path | None = getattr(frame, role)
        if path is None:
            return None
        if is_video(path):
            number = frame.video_frames[role]
            key = (_state(path), number, role)
            found = self._of_videos.get(key, lambda: self._of_video(path, number, role))
        elif role == "clean_plate":
            found = self._stills.get(_state(path), lambda: _read(path))
        else:
            found = self._passed(_state(path), lambda: _read(path))
        self._digests[self._key(frame, role)] = found.digest
        return found

    def _passed(self, key: Hashable, make: Callable[[], NamedPicture]) -> NamedPicture:
        return self._passing.get(key, make) if self._in_time else make()

    def digest(self, frame: ShotFrame, role: str) -> str:
        """The name of a role's content, remembered for as long as its file does not change."""
        key = self._key(frame, role)
        if key not in self._digests:
            found = self.sent(frame, role)
            return found.digest if found else ""
        return self._digests[key]

    def _key(self, frame: ShotFrame, role: str) -> Hashable:
        path: Path = getattr(frame, role)
        return _state(path), frame.video_frames.get(role, 0), role if is_video(path) else ""

    def _of_video(self, path: Path, number: int, role: str) -> NamedPicture:
        image = self.read_linear(path, number, role)
        data = exr.encode_exr(replace(image, premultiplied=False), {}, _SENT)
        return NamedPicture.of(data, f"{path.name}.{number:06}.exr")

    def _of_trimap(self, path: Path, number: int, role: str) -> NamedPicture:
        """The core or the holdout that a trimap holds, on its own pixels."""
        image = self.read_linear(path, number) if is_video(path) else exr.read_image(path)
        core, holdout = guides_of(image.rgb[..., :1])
        pixels = (core if role == "core" else holdout).astype(np.float32)
        guide = replace(image, pixels=pixels, channels=("A",), premultiplied=False, metadata={})
        data = exr.encode_exr(guide, {}, _SENT)
        return NamedPicture.of(data, f"{path.stem}.{role}.exr")

    def read_linear(self, path: Path, number: int, role: str = "") -> Image:
        """A picture as scene-linear Rec.709: picture ``number`` where it is a video. The options' colourspaces hold
        for ``role`` plate and clean_plate of videos; every other file is read by its own tags. Raises ``OSError``
        and ``MatteError``."""
        config = self.options.ocio_config
        if not is_video(path):
            image = exr.read_image(path)
            return to_scene_linear(image, image.colourspace, config)
        image = self.video(path).read(number)
        space = self._chosen_space(role) or image.colourspace
        if not space:
            raise MatteError(
                "unknown_colourspace",
                f"{path} is tagged as HDR or wide gamut, and Cleanplate cannot tell how to make that scene-linear.",
                "Name the space it was shot in with --colourspace, such as logc4 or slog3.",
            )
        return to_scene_linear(image, space, config)

    def _chosen_space(self, role: str) -> str:
        """The colourspace that the artist chose for a role; empty where it is left to the file."""
        chosen = {"plate": self.options.colourspace, "clean_plate": self.options.clean_colourspace}.get(
            role, "auto"
        )
        return "" if chosen == "auto" else resolve(chosen)

    def background(self, path: Path, number: int) -> Image:
        """A new background in scene-linear light; a still is read once."""
        return self._backgrounds.get((_state(path), number), lambda: self.read_linear(path, number))

    def pair(self, frame: ShotFrame) -> tuple[Image, Callable[[], Image]]:
        """A frame's plate, and a function that reads its clean plate; scene-linear, as the server reads them."""
        options = self.options
        if is_video(frame.plate):
            plate = self.read_linear(frame.plate, frame.video_frames["plate"], "plate")
            return plate, lambda: self._clean_plate(frame, plate_own="", plate_asked="")
        stored = exr.read_image(frame.plate, layer=options.layer, view=options.view)
        own, asked = stored.colourspace, self._chosen_space("plate")
        plate = to_scene_linear(stored, asked or own, options.ocio_config)
        return plate, lambda: self._clean_plate(frame, plate_own=own, plate_asked=asked)

    def _clean_plate(self, frame: ShotFrame, plate_own: str, plate_asked: str) -> Image:
        options = self.options
        if is_video(frame.clean_plate):
            return self.read_linear(frame.clean_plate, frame.video_frames["clean_plate"], "clean_plate")
        image = exr.read_image(frame.clean_plate, layer=options.clean_layer, view=options.view)
        space = clean_plate_space(options.clean_colourspace, image.colourspace, plate_own, plate_asked)
        return to_scene_linear(image, space, options.ocio_config)

    def request_options(self, frame: ShotFrame, output: Path) -> MatteOptions:
        """The options as the server needs them: what was made scene-linear here is said to be so, and pictures
        for the screen are made out of scene-linear results."""
        options = self.options
        if is_video(frame.plate):
            options = replace(options, colourspace=SCENE_LINEAR)
        if is_video(frame.clean_plate):
            options = replace(options, clean_colourspace=SCENE_LINEAR)
        if output.suffix.lower() != ".exr" and options.output_colourspace == "auto":
            options = replace(options, output_colourspace=SCENE_LINEAR)
        return options

    def for_screen(self, image: Image) -> Image:
        """A result for a whole-number format: sRGB, unless the artist chose a space for the results."""
        if self.options.output_colourspace != "auto":
            return image
        return from_scene_linear(image, "srgb", self.options.ocio_config)


def _state(path: Path) -> Hashable:
    facts = path.stat()
    return str(path), facts.st_mtime_ns, facts.st_size


def _read(path: Path) -> NamedPicture:
    return NamedPicture.of(path.read_bytes(), path.name)
