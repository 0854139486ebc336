"""Reads the pictures of a frame from the files that a job names, as scene-linear Rec.709."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matte_link.messages import Matte, OnDisk
from matte_link.roles import WEIGHTS, sources_of
from matte_link.weights_files import is_safetensors

from ..core.image import KNOWN, SCENE_LINEAR, Guides, Image, PlatePair, joined
from ..errors import MatteError
from ..frame.inputs import FrameInputs, role_of
from ..io import exr
from ..io.colour import clean_plate_space, resolve, to_scene_linear
from ..models.weights import is_bare
from .file_digests import FileDigests
from .messages import FrameJob, SpooledPicture, role_in_words
from .named_files import NamedFiles

_CLEAN_PLATES_CACHED = 4
_BUILT_IN_CONFIGS = "ocio://"
_OF_OPTIONS = (
    "A server opens weights and OCIO configs on its own machine, in a folder of its --root; of the client's "
    "machine only safetensors files are sent along."
)
# Errors that a later try would meet again. Others, such as a lack of file descriptors, are raised unchanged.
_PERMANENT = (IsADirectoryError, NotADirectoryError, PermissionError)


@dataclass(frozen=True)
class _PictureFile:
    """A picture that is open: where to read it, and the client's name for it in messages."""

    path: Path
    name: str


class FrameReader:
    """Reads the files that jobs name; those that clients name by path as ``files`` allows. Caches decoded clean
    plates.

    ``side`` is "before" or "after" for a neighbour and empty for the frame itself; a neighbour's pictures are read
    exactly as its own request would read them. Thread-safe.
    """

    def __init__(self, files: NamedFiles) -> None:
        self._files = files
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
        linear = _judged(to_scene_linear(plate, space, options.ocio_config), is_stated=bool(stated))
        core, holdout = (self._guide(job, role_of(request, side, name)) for name in ("core", "holdout"))
        # The result of an EXR plate is in the plate's colourspace; that of any other format is scene-linear.
        with self._opened(job, plate_role) as file:
            returned = space if exr.is_exr(file.path) else SCENE_LINEAR
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
        linear = to_scene_linear(image, space, options.ocio_config)
        linear = self._with_coverage(job, role, _judged(linear, is_stated=space != image.colourspace))
        if key[0]:
            with self._lock:
                linear = self._clean_plates.setdefault(key, linear)
                while len(self._clean_plates) > _CLEAN_PLATES_CACHED:
                    self._clean_plates.popitem(last=False)
        return linear

    def _with_coverage(self, job: FrameJob, role: str, clean: Image) -> Image:
        """Adds the coverage layer of a clean plate that was built from its shot, 0 or 1, as its last channel."""
        with self._opened(job, role) as file:
            if exr.COVERAGE_LAYER not in exr.layers_of(file.path):
                return clean
            known = exr.read_image(file.path, name=file.name, layer=exr.COVERAGE_LAYER).pixels[..., :1] > 0
        pixels = joined(clean.rgb, known.astype(np.float32))
        return replace(clean, pixels=pixels, channels=("R", "G", "B", KNOWN))

    def _guide(self, job: FrameJob, role: str) -> Image | None:
        if role not in sources_of(job.request):
            return None
        return exr.matte_channel(self._picture(job, role, ""))

    def _picture(self, job: FrameJob, role: str, layer: str) -> Image:
        view = job.request.view or job.request.options.view
        with self._opened(job, role) as file:
            return exr.read_image(file.path, name=file.name, layer=layer, view=view)

    def content_name(self, job: FrameJob, role: str) -> str:
        """A name for what is read in a role: the digest of the file's content, and its suffix, which decides how it
        is read. Raises ``MatteError`` with the codes missing_file, unreadable."""
        picture = job.pictures.get(role)
        with self._opened(job, role) as file:
            try:
                digest = picture.digest if picture and picture.digest else self._digests.of(file.path)
            except FileNotFoundError:
                raise MatteError("missing_file", f"{file.name} does not exist.") from None
            except _PERMANENT as error:
                raise MatteError("unreadable", f"{file.name} cannot be read: {error.strerror}.") from None
        return digest + _suffix(job, role)

    @contextlib.contextmanager
    def _opened(self, job: FrameJob, role: str) -> Iterator[_PictureFile]:
        """The file of a role's picture while the block runs. Raises ``MatteError`` as :meth:`NamedFiles.opened`."""
        picture = job.pictures.get(role)
        if isinstance(picture, SpooledPicture):
            yield _PictureFile(path=Path(picture.path), name=picture.name or f"the {role_in_words(role)}")
            return
        source = sources_of(job.request)[role]
        assert isinstance(source, OnDisk)
        with self._files.opened(source.path) as path:
            yield _PictureFile(path=path, name=source.path)

    def check_paths(self, job: FrameJob) -> None:
        """Checks every path in a request before any of the files is read, and that weights that came along are
        safetensors. Raises ``MatteError``."""
        request = job.request
        for source in sources_of(request).values():
            if isinstance(source, OnDisk):
                self._files.check(source.path)
        weights, config = request.options.weights, request.options.ocio_config
        # A bare name of a weights file is only looked for in the models folders.
        named = [weights] if weights and not is_bare(weights) else []
        if sent := job.pictures.get(WEIGHTS):
            named = []
            _check_weights(sent)
        if config and not config.startswith(_BUILT_IN_CONFIGS):
            named.append(config)
        for path in named:
            self._check_named_by_option(path)
        if request.output:
            self._check_output(request)

    def _check_named_by_option(self, path: str) -> None:
        """Sees that it is a regular file that may be read: the libraries open it by its name."""
        try:
            with self._files.opened(path):
                pass
        except MatteError as error:
            # Not the hint for pictures.
            raise MatteError(error.code, error.message, _OF_OPTIONS) from None

    def _check_output(self, request: Matte) -> None:
        target = self._files.check_output(request.output)
        inputs = [Path(source.path) for source in sources_of(request).values() if isinstance(source, OnDisk)]
        if any(target == path.resolve() for path in inputs):
            raise MatteError(
                "output_is_input",
                f"{request.output} is also an input, which the result would overwrite.",
                "Write the result somewhere else.",
            )
        # A link that leads to itself is there, too.
        if os.path.lexists(target) and not (
            target.is_file() and (exr.read_stamp(target) or exr.read_diagnostics(target))
        ):
            raise MatteError(
                "exists",
                f"{request.output} exists and is no result of Cleanplate.",
                "Remove it first, or write the result somewhere else.",
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


def _check_weights(sent: SpooledPicture) -> None:
    if not is_safetensors(Path(sent.path)):
        raise MatteError(
            "bad_weights",
            f"{sent.name or 'The weights'} that came with the request are no safetensors file.",
            "Name other weights by their path on the server.",
        )


def _judged(image: Image, is_stated: bool) -> Image:
    """``image`` without the warnings on its file's colour tags, where a stated colourspace replaces the tags."""
    return replace(image, colour_warnings=()) if is_stated else image


def _stated_colourspace(request: Matte) -> str:
    """The plate's colourspace as the artist or the host stated it; empty where the file's tags decide."""
    if request.options.colourspace != "auto":
        return resolve(request.options.colourspace)
    return resolve(str(request.hints.get("colourspace", ""))[:200])


def _suffix(job: FrameJob, role: str) -> str:
    """The suffix of a picture's name, in lower case."""
    source = sources_of(job.request)[role]
    path = source.path if isinstance(source, OnDisk) else job.pictures[role].path
    return Path(path).suffix.lower()
