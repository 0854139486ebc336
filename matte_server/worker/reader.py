"""Reads the pictures of a frame from the files that a job names, as scene-linear Rec.709."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
from matte_link.messages import Matte, OnDisk, sources_of

from ..core.image import KNOWN, SCENE_LINEAR, Guides, Image, PlatePair, joined
from ..errors import MatteError
from ..frame.inputs import FrameInputs, role_of
from ..io import exr
from ..io.colour import clean_plate_space, resolve, to_scene_linear
from ..models.weights import is_bare
from .file_digests import FileDigests
from .messages import FrameJob, SpooledPicture, role_in_words

_CLEAN_PLATES_CACHED = 4
_LONGEST_NAME = 255
# Errors that a later try would meet again. Others, such as a lack of file descriptors, are raised unchanged.
_PERMANENT = (IsADirectoryError, NotADirectoryError, PermissionError)


class FrameReader:
    """Reads the files that jobs name. Paths given by clients must lie inside ``roots``. Caches decoded clean
    plates.

    ``side`` is "before" or "after" for a neighbour and empty for the frame itself; a neighbour's pictures are read
    exactly as its own request would read them. Thread-safe.
    """

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots
        self._clean_plates: OrderedDict[tuple[str, ...], Image] = OrderedDict()
        self._digests = FileDigests()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Frees the memory of the cached clean plates."""
        with self._lock:
            self._clean_plates.clear()

    def read(self, job: FrameJob, side: str = "") -> FrameInputs:
        """The pictures of one side. Raises ``MatteError`` and ``OSError``."""
        started = time.perf_counter()
        request, options = job.request, job.request.options
        plate_role = role_of(request, side, "plate")
        plate = self._picture(job, plate_role, request.plate_layer or options.layer)
        stated = _stated_colourspace(request)
        space = stated or plate.colourspace
        linear = to_scene_linear(plate, space, options.ocio_config)
        core, holdout = (self._guide(job, role_of(request, side, name)) for name in ("core", "holdout"))
        # The result of an EXR plate is in the plate's colourspace; that of any other format is scene-linear.
        returned = space if self.file(job, plate_role)[0].suffix.lower() == ".exr" else SCENE_LINEAR
        if options.output_colourspace != "auto":
            returned = resolve(options.output_colourspace)
        clean = self._clean_plate(job, role_of(request, side, "clean_plate"), plate.colourspace, stated)
        return FrameInputs(
            pair=PlatePair(plate=linear, clean_plate=clean),
            guides=Guides(core=core, holdout=holdout),
            plate_colourspace=plate.colourspace,
            result_colourspace=returned,
            seconds=time.perf_counter() - started,
        )

    def _clean_plate(self, job: FrameJob, role: str, plate_colourspace: str, stated: str) -> Image:
        """The clean plate in linear light, decoded once a shot: hosts send the same one with every frame. The
        colourspace ``stated`` for the plate also holds for a clean plate whose file carries the same tags."""
        request, options = job.request, job.request.options
        picture = job.pictures.get(role)
        layer, view = request.clean_layer or options.clean_layer, request.view or options.view
        key = (
            picture.digest if picture else "",
            layer,
            view,
            options.clean_colourspace,
            plate_colourspace,
            stated,
            options.ocio_config,
        )
        with self._lock:
            if key[0] and key in self._clean_plates:
                self._clean_plates.move_to_end(key)
                return self._clean_plates[key]
        image = self._picture(job, role, layer)
        space = clean_plate_space(options.clean_colourspace, image.colourspace, plate_colourspace, stated)
        linear = self._with_coverage(job, role, to_scene_linear(image, space, options.ocio_config))
        if key[0]:
            with self._lock:
                linear = self._clean_plates.setdefault(key, linear)
                while len(self._clean_plates) > _CLEAN_PLATES_CACHED:
                    self._clean_plates.popitem(last=False)
        return linear

    def _with_coverage(self, job: FrameJob, role: str, clean: Image) -> Image:
        """Adds the coverage layer of a clean plate that was built from its shot, 0 or 1, as its last channel."""
        path, name = self.file(job, role)
        if exr.COVERAGE_LAYER not in exr.layers_of(path):
            return clean
        known = exr.read_image(path, name=name, layer=exr.COVERAGE_LAYER).pixels[..., :1] > 0
        pixels = joined(clean.rgb, known.astype(np.float32))
        return replace(clean, pixels=pixels, channels=("R", "G", "B", KNOWN))

    def _guide(self, job: FrameJob, role: str) -> Image | None:
        if role not in sources_of(job.request):
            return None
        return exr.matte_channel(self._picture(job, role, ""))

    def _picture(self, job: FrameJob, role: str, layer: str) -> Image:
        path, name = self.file(job, role)
        view = job.request.view or job.request.options.view
        return exr.read_image(path, name=name, layer=layer, view=view, by_planes=True)

    def content_name(self, job: FrameJob, role: str) -> str:
        """A name for what is read in a role: the digest of the file's content, and its suffix, which decides how it
        is read. Raises ``MatteError`` with the codes missing_file, unreadable."""
        path, name = self.file(job, role)
        picture = job.pictures.get(role)
        try:
            digest = picture.digest if picture and picture.digest else self._digests.of(path)
        except FileNotFoundError:
            raise MatteError("missing_file", f"{name} does not exist.") from None
        except _PERMANENT as error:
            raise MatteError("unreadable", f"{name} cannot be read: {error.strerror}.") from None
        return digest + path.suffix.lower()

    def file(self, job: FrameJob, role: str) -> tuple[Path, str]:
        """The file of a role's picture, and its name for messages. Raises ``MatteError("path_refused", ...)``."""
        picture = job.pictures.get(role)
        if isinstance(picture, SpooledPicture):
            return Path(picture.path), picture.name or f"the {role_in_words(role)}"
        source = sources_of(job.request)[role]
        assert isinstance(source, OnDisk)
        return inside_roots(source.path, self._roots), source.path

    def check_paths(self, request: Matte) -> None:
        """Checks every path in a request before any of the files is opened. Raises ``MatteError``."""
        for source in sources_of(request).values():
            if isinstance(source, OnDisk):
                inside_roots(source.path, self._roots)
        for path in (request.options.weights, request.options.ocio_config):
            # A bare name of a weights file is only looked for in the models folders.
            bare = path == request.options.weights and is_bare(path)
            if path and "://" not in path and not bare:
                inside_roots(path, self._roots)
        self._check_output(request)

    def _check_output(self, request: Matte) -> None:
        if not request.output:
            return
        target = inside_roots(request.output, self._roots)
        inputs = [Path(source.path) for source in sources_of(request).values() if isinstance(source, OnDisk)]
        if any(target == path.resolve() for path in inputs):
            raise MatteError(
                "output_is_input",
                f"{request.output} is also an input, which the result would overwrite.",
                "Write the result somewhere else.",
            )


class JobSource:
    """The ``FrameSource`` of one job: its request, and its files through the worker's reader."""

    def __init__(self, job: FrameJob, reader: FrameReader) -> None:
        self._job = job
        self._reader = reader

    @property
    def request(self) -> Matte:
        """The client's request."""
        return self._job.request

    def read(self, side: str = "") -> FrameInputs:
        """The pictures of one side. Raises ``MatteError`` and ``OSError``."""
        return self._reader.read(self._job, side)

    def content_name(self, role: str) -> str:
        """Names the content of a role's picture. Raises ``MatteError``."""
        return self._reader.content_name(self._job, role)


def _stated_colourspace(request: Matte) -> str:
    """The plate's colourspace as the artist or the host stated it; empty where the file's tags decide."""
    if request.options.colourspace != "auto":
        return resolve(request.options.colourspace)
    return resolve(str(request.hints.get("colourspace", ""))[:200])


def inside_roots(path: str, roots: tuple[Path, ...]) -> Path:
    """``path`` with all links resolved. Raises ``MatteError("path_refused", ...)`` where it is not inside a
    root."""
    if "\0" in path or any(len(part) > _LONGEST_NAME for part in path.split("/")):
        raise MatteError("path_refused", f"{path[:80]!r} is not a path.", "Correct the name.")
    resolved = Path(os.path.realpath(path))
    if not roots:
        raise MatteError(
            "path_refused",
            f"The server does not open {path}: it was started without folders that clients may name.",
            "Start the server with --root FOLDER, or send the picture itself.",
        )
    if not Path(path).is_absolute() or not any(resolved.is_relative_to(root) for root in roots):
        raise MatteError(
            "path_refused",
            f"The server does not open {path}: it lies outside the folders that clients may name.",
            "Start the server with --root for its folder, or send the picture itself.",
        )
    return resolved
