"""A shot's pictures on the client's side: as they are sent to the server, and as they are read here.

Files are sent as they are. A picture of a video is sent as a scene-linear half-float EXR, because the server does
not open videos.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from blake3 import blake3
from matte_link.messages import Inline
from matte_link.options import MatteOptions

from ..core.image import SCENE_LINEAR, Image, divided_by_alpha, with_roles
from ..core.trimap import guides_of
from ..errors import MatteError
from ..io import exr
from ..io.colour import clean_plate_space, from_scene_linear, resolve, to_scene_linear
from ..io.colour_config import config_digest
from ..io.media import VideoReader, is_video
from .shot import ShotFrame

_VIDEOS_OPEN = 6
_VIDEO_PICTURES_KEPT = 8
_CLEAN_PLATES_KEPT = 2
_NEIGHBOURS_KEPT = 8
_SENT_FORMAT = exr.ExrFormat(bit_depth="half", compression="none")
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class NamedPicture:
    """A picture as it goes to the server, and its digest, which becomes part of the result's stamp. It is BLAKE3,
    which takes an eighth of the time of the wire's own digest."""

    inline: Inline
    digest: str
    warnings: tuple[str, ...] = ()
    """Facts of a video that could not be honoured; those of other files are reported by the server."""

    @classmethod
    def of(cls, data: bytes, name: str, warnings: tuple[str, ...] = ()) -> NamedPicture:
        """From a file's bytes; ``name`` is what messages call it."""
        return cls(inline=Inline(data=data, name=name), digest=blake3(data).hexdigest(), warnings=warnings)


class _SharedCache(Generic[Kept]):
    """The last few results of something slow. While one is made, other threads that ask wait for it."""

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
    """Reads a shot's pictures; several threads may use it. It holds a few of them, never a whole shot.

    Use it as a context manager, or call :meth:`close`.
    """

    def __init__(self, options: MatteOptions, deinterlace: bool = False) -> None:
        self.options = options
        self._deinterlaces = deinterlace
        self._backgrounds: _SharedCache[Image] = _SharedCache(1)
        self._videos: _SharedCache[VideoReader] = _SharedCache(_VIDEOS_OPEN, VideoReader.close)
        self._of_videos: _SharedCache[NamedPicture] = _SharedCache(_VIDEO_PICTURES_KEPT)
        # With smoothing in time a frame's pictures are also sent with its neighbours.
        self._is_temporal = options.temporal > 0
        clean_plates = _NEIGHBOURS_KEPT if self._is_temporal else _CLEAN_PLATES_KEPT
        self._clean_plates: _SharedCache[NamedPicture] = _SharedCache(clean_plates)
        self._of_neighbours: _SharedCache[NamedPicture] = _SharedCache(_NEIGHBOURS_KEPT)
        self._digests: dict[Hashable, str] = {}
        self._told: dict[str, dict[str, None]] = {}

    @cached_property
    def colour_source(self) -> Mapping[str, str]:
        """The OCIO config by its content, as one more source of a result. Empty where no colourspace is named,
        which only a config could know, and where OCIO's own config is used."""
        options = self.options
        named = (options.colourspace, options.clean_colourspace, options.output_colourspace)
        digest = config_digest(options.ocio_config) if any(space != "auto" for space in named) else ""
        return {"ocio_config": digest} if digest else {}

    def __enter__(self) -> ShotInputs:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes files and frees memory."""
        for cache in (self._videos, self._of_videos, self._clean_plates, self._of_neighbours, self._backgrounds):
            cache.clear()

    def video(self, path: Path) -> VideoReader:
        """An open video."""
        return self._videos.get(_file_state(path), lambda: VideoReader(path, self._deinterlaces))

    def picture(self, frame: ShotFrame, role: str) -> NamedPicture | None:
        """What is sent to the server in a role; None where the shot has no such picture. A clean plate that all
        frames share is read once; with smoothing in time, so is every picture. Raises ``OSError`` and
        ``MatteError``."""
        if frame.trimap is not None and role in ("core", "holdout"):
            trimap, picture = frame.trimap, frame.video_frames.get("trimap", 0)
            key = (_file_state(trimap), picture, role)
            return self._shared_in_time(key, lambda: self._of_trimap(trimap, picture, role))
        path: Path | None = getattr(frame, role)
        if path is None:
            return None
        if is_video(path):
            number = frame.video_frames[role]
            key = (_file_state(path), number, role)
            found = self._of_videos.get(key, lambda: self._of_video(path, number, role))
        elif role == "clean_plate":
            found = self._clean_plates.get(_file_state(path), lambda: _read(path))
        else:
            found = self._shared_in_time(_file_state(path), lambda: _read(path))
        self._digests[self._key(frame, role)] = found.digest
        return found

    def _shared_in_time(self, key: Hashable, make: Callable[[], NamedPicture]) -> NamedPicture:
        return self._of_neighbours.get(key, make) if self._is_temporal else make()

    def digest(self, frame: ShotFrame, role: str) -> str:
        """The digest of a role's picture, kept for as long as its file does not change."""
        key = self._key(frame, role)
        if key not in self._digests:
            found = self.picture(frame, role)
            return found.digest if found else ""
        return self._digests[key]

    def _key(self, frame: ShotFrame, role: str) -> Hashable:
        path: Path = getattr(frame, role)
        return _file_state(path), frame.video_frames.get(role, 0), role if is_video(path) else ""

    def _of_video(self, path: Path, number: int, role: str) -> NamedPicture:
        is_guide = role in ("core", "holdout")
        image = self.read_data(path, number) if is_guide else self.read_linear(path, number, role)
        data = exr.encode_exr(replace(image, premultiplied=False), {}, _SENT_FORMAT)
        return NamedPicture.of(data, f"{path.name}.{number:06}.exr", image.warnings)

    def _of_trimap(self, path: Path, number: int, role: str) -> NamedPicture:
        """The core or the holdout matte that a trimap holds, in the trimap's own windows."""
        image = self.read_data(path, number)
        core, holdout = guides_of(image.rgb[..., :1])
        pixels = (core if role == "core" else holdout).astype(np.float32)
        guide = replace(image, pixels=pixels, channels=("A",), premultiplied=False, metadata={})
        data = exr.encode_exr(guide, {}, _SENT_FORMAT)
        return NamedPicture.of(data, f"{path.stem}.{role}.exr", image.warnings)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the files that were read here state and could not be honoured, a sentence for each cause."""
        return with_roles((role, list(told)) for role, told in self._told.items())

    def _noted(self, image: Image, role: str, is_data: bool = False) -> Image:
        """``image``, whose file's warnings are kept; without those on colour where ``is_data``, or where somebody
        has stated the colourspace."""
        self._told.setdefault(role.replace("_", " "), {}).update(dict.fromkeys(image.file_warnings(is_data)))
        return replace(image, colour_warnings=()) if is_data else image

    def read_data(self, path: Path, number: int, role: str = "guide") -> Image:
        """A picture of data, such as a guide: its values as the file stores them, 0 to 1, whatever colour they
        would be. Picture ``number`` where the file is a video. Raises ``OSError`` and ``MatteError``."""
        image = self.video(path).read(number) if is_video(path) else exr.read_image(path)
        return self._noted(image, role, is_data=True)

    def read_linear(self, path: Path, number: int, role: str = "") -> Image:
        """A picture as scene-linear Rec.709: picture ``number`` where it is a video. The options' colourspaces hold
        for ``role`` plate and clean_plate of videos; every other file is read by its own tags. Raises ``OSError``
        and ``MatteError``."""
        config = self.options.ocio_config
        if not is_video(path):
            image = exr.read_image(path)
            return to_scene_linear(image, image.colourspace, config)
        video = self.video(path)
        chosen = self._chosen_space(role)
        image = self._noted(video.read(number), role, is_data=bool(chosen))
        space = chosen or image.colourspace
        if not space:
            raise MatteError(
                "unknown_colourspace",
                f"{path} has colour tags that Cleanplate does not support ({video.facts.colour_tags} of H.273).",
                "Name its colourspace with --colourspace, such as logc4 or rec709.",
            )
        return to_scene_linear(image, space, config)

    def _chosen_space(self, role: str) -> str:
        """The colourspace that the artist chose for a role; empty where it is left to the file."""
        chosen = {"plate": self.options.colourspace, "clean_plate": self.options.clean_colourspace}.get(
            role, "auto"
        )
        return "" if chosen == "auto" else resolve(chosen)

    def background(self, path: Path, number: int) -> Image:
        """A new background, scene-linear; a still is read once."""
        return self._backgrounds.get((_file_state(path), number), lambda: self.read_linear(path, number))

    def pair(self, frame: ShotFrame) -> tuple[Image, Callable[[], Image]]:
        """A frame's plate, and a function that reads its clean plate; scene-linear, as the server reads them."""
        options = self.options
        if is_video(frame.plate):
            plate = self.read_linear(frame.plate, frame.video_frames["plate"], "plate")
            return plate, lambda: self._clean_plate(frame, plate_own="", plate_asked="")
        stored = exr.read_image(frame.plate, layer=options.layer, view=options.view)
        own, asked = stored.colourspace, self._chosen_space("plate")
        plate = to_scene_linear(self._noted(stored, "plate", bool(asked)), asked or own, options.ocio_config)
        return plate, lambda: self._clean_plate(frame, plate_own=own, plate_asked=asked)

    def _clean_plate(self, frame: ShotFrame, plate_own: str, plate_asked: str) -> Image:
        options = self.options
        if is_video(frame.clean_plate):
            return self.read_linear(frame.clean_plate, frame.video_frames["clean_plate"], "clean_plate")
        image = exr.read_image(frame.clean_plate, layer=options.clean_layer, view=options.view)
        space = clean_plate_space(options.clean_colourspace, image.colourspace, plate_own, plate_asked)
        is_stated = bool(self._chosen_space("clean_plate"))
        return to_scene_linear(self._noted(image, "clean_plate", is_stated), space, options.ocio_config)

    def request_options(self, frame: ShotFrame, output: Path) -> MatteOptions:
        """The options as the server needs them: pictures of videos were made scene-linear here, and a result that
        is written here in another format than EXR is wanted scene-linear, and exact enough for 16 bits."""
        options = self.options
        if is_video(frame.plate):
            options = replace(options, colourspace=SCENE_LINEAR)
        if is_video(frame.clean_plate):
            options = replace(options, clean_colourspace=SCENE_LINEAR)
        if output.suffix.lower() != ".exr":
            options = replace(options, bit_depth="float")
            if options.output_colourspace == "auto":
                options = replace(options, output_colourspace=SCENE_LINEAR)
        return options

    def for_screen(self, image: Image) -> Image:
        """A result for an integer format, unpremultiplied: in sRGB, unless the artist chose a space for the
        results, which the server's EXR is in already."""
        space, config = screen_space(self.options), self.options.ocio_config
        is_chosen = self.options.output_colourspace != "auto"
        if image.premultiplied:
            light = to_scene_linear(image, space, config) if is_chosen else image
            return from_scene_linear(divided_by_alpha(light), space, config)
        return replace(image, colourspace=space) if is_chosen else from_scene_linear(image, space, config)

    def from_screen(self, image: Image) -> Image:
        """The picture of such a file as scene-linear Rec.709."""
        return to_scene_linear(image, screen_space(self.options), self.options.ocio_config)


def screen_space(options: MatteOptions) -> str:
    """The full name of the colourspace of results in an integer format."""
    return resolve("srgb" if options.output_colourspace == "auto" else options.output_colourspace)


def _file_state(path: Path) -> Hashable:
    facts = path.stat()
    return str(path), facts.st_mtime_ns, facts.st_size


def _read(path: Path) -> NamedPicture:
    return NamedPicture.of(path.read_bytes(), path.name)
