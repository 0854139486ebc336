"""A frame's pictures for the inference process: from the files that a job names to scene-linear light."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matte_link.messages import Matte, OnDisk, sources_of

from ..core.align import Alignment
from ..core.image import KNOWN, SCENE_LINEAR, Guides, Image, PlatePair, joined
from ..core.placement import from_facts
from ..errors import MatteError
from ..io import exr
from ..io.colour import resolve, to_scene_linear
from ..models.weights import is_bare
from .messages import FrameJob, SpooledPicture, role_in_words

_CLEAN_PLATES_KEPT = 4
_LONGEST_NAME = 255


@dataclass(frozen=True, eq=False)
class FrameInputs:
    """One frame's pictures in scene-linear light; the space that the plate's file is in, by its own tags; the one
    that the result is wanted in; the seconds that reading took. ``key`` names what is made from them where that is
    kept for the frames beside this one."""

    pair: PlatePair
    guides: Guides
    own: str
    returned: str
    seconds: float
    key: str = ""


class FrameReader:
    """Opens what jobs name, inside ``roots`` where that is by path; keeps the last decoded clean plates.

    A neighbour's pictures (``side`` is "before" or "after", empty for the frame itself) are read just as its own
    request would have them read. Frames are read on two threads: the one whose turn it is, and the one that may
    come next.
    """

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = roots
        self._clean_plates: OrderedDict[tuple[str, ...], Image] = OrderedDict()
        self._lock = threading.Lock()

    def let_go(self) -> None:
        """Gives the memory back."""
        with self._lock:
            self._clean_plates.clear()

    def read(self, job: FrameJob, side: str = "") -> FrameInputs:
        """The pictures of a frame or of its neighbour. Raises ``MatteError`` and ``OSError``."""
        began = time.perf_counter()
        request, options = job.request, job.request.options
        plate_role = role_of(request, side, "plate")
        plate = self._picture(job, plate_role, request.plate_layer or options.layer)
        said = _said_space(request)
        space = said or plate.colourspace
        linear = to_scene_linear(plate, space, options.ocio_config)
        guides = Guides(*(self._guide(job, role_of(request, side, name)) for name in ("core", "holdout")))
        # An EXR comes back in the space it came in; of other formats the result is an EXR, which is linear.
        returned = space if self.file(job, plate_role)[0].suffix.lower() == ".exr" else SCENE_LINEAR
        if options.output_colourspace != "auto":
            returned = resolve(options.output_colourspace)
        clean = self._clean_plate(job, role_of(request, side, "clean_plate"), plate.colourspace, said)
        return FrameInputs(
            PlatePair(linear, clean), guides, plate.colourspace, returned, time.perf_counter() - began
        )

    def _clean_plate(self, job: FrameJob, role: str, plates_own: str, said: str) -> Image:
        """Decoded and made linear once a shot: hosts send the same one with every frame. What was ``said`` of
        the plate holds for a clean plate of the same kind of file too."""
        request, options = job.request, job.request.options
        picture = job.pictures.get(role)
        layer, view = request.clean_layer or options.clean_layer, request.view or options.view
        key = (
            picture.digest if picture else "",
            layer,
            view,
            options.clean_colourspace,
            plates_own,
            said,
            options.ocio_config,
        )
        with self._lock:
            if key[0] and key in self._clean_plates:
                self._clean_plates.move_to_end(key)
                return self._clean_plates[key]
        image = self._picture(job, role, layer)
        space = resolve(options.clean_colourspace)
        if options.clean_colourspace == "auto":
            space = said if said and image.colourspace == plates_own else image.colourspace
        linear = self._with_coverage(job, role, to_scene_linear(image, space, options.ocio_config))
        if key[0]:
            with self._lock:
                linear = self._clean_plates.setdefault(key, linear)
                while len(self._clean_plates) > _CLEAN_PLATES_KEPT:
                    self._clean_plates.popitem(last=False)
        return linear

    def _with_coverage(self, job: FrameJob, role: str, clean: Image) -> Image:
        """A clean plate that was built from its shot says where it is known: as its channel A, 0 or 1."""
        path, name = self.file(job, role)
        if exr.COVERAGE_LAYER not in exr.layers_of(path):
            return clean
        known = exr.read_image(path, name=name, layer=exr.COVERAGE_LAYER).pixels[..., :1] > 0
        pixels = joined(clean.rgb, known.astype(np.float32))
        return replace(clean, pixels=pixels, channels=("R", "G", "B", KNOWN))

    def _guide(self, job: FrameJob, role: str) -> Image | None:
        if role not in sources_of(job.request):
            return None
        return exr.single(self._picture(job, role, ""))

    def _picture(self, job: FrameJob, role: str, layer: str) -> Image:
        path, name = self.file(job, role)
        view = job.request.view or job.request.options.view
        return exr.read_image(path, name=name, layer=layer, view=view, by_planes=True)

    def file(self, job: FrameJob, role: str) -> tuple[Path, str]:
        """Where a role's picture lies, and its name for messages; raises ``MatteError("path_refused", ...)``."""
        picture = job.pictures.get(role)
        if isinstance(picture, SpooledPicture):
            return Path(picture.path), picture.name or f"the {role_in_words(role)}"
        source = sources_of(job.request)[role]
        assert isinstance(source, OnDisk)
        return inside_roots(source.path, self._roots), source.path

    def check_paths(self, request: Matte) -> None:
        """Every file that the client names by path, before any of them is touched; raises ``MatteError``."""
        for source in sources_of(request).values():
            if isinstance(source, OnDisk):
                inside_roots(source.path, self._roots)
        for path in (request.options.weights, request.options.ocio_config):
            # A bare name is looked for in the models folders alone.
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
                "output_is_input", f"{request.output} is also an input.", "Write the result somewhere else."
            )


def role_of(request: Matte, side: str, name: str) -> str:
    """The role of a frame's picture or of its neighbour's, whose clean plate may be the frame's own."""
    role = f"{side}_{name}" if side else name
    return "clean_plate" if name == "clean_plate" and role not in sources_of(request) else role


def given_alignment(request: Matte, side: str = "") -> Alignment | None:
    """The plate solve's alignment of a frame or of its neighbour, where the client sent one. Raises
    ``MatteError("bad_alignment", ...)``."""
    facts = (getattr(request, side) if side else request).alignment
    if not facts:
        return None
    try:
        return from_facts(facts)
    except ValueError as error:
        raise MatteError("bad_alignment", f"The alignment sent along cannot be used: {error}") from None


def _said_space(request: Matte) -> str:
    """The plate's space where the artist or the host said it; empty leaves it to the file."""
    if request.options.colourspace != "auto":
        return resolve(request.options.colourspace)
    return resolve(str(request.hints.get("colourspace", ""))[:200])


def inside_roots(path: str, roots: tuple[Path, ...]) -> Path:
    """``path`` with all links resolved, where that lies inside a root; else raises ``MatteError``."""
    if "\0" in path or any(len(part) > _LONGEST_NAME for part in path.split("/")):
        raise MatteError("path_refused", f"{path[:80]!r} is not a path.", "Correct the name.")
    resolved = Path(os.path.realpath(path))
    if not roots:
        raise MatteError(
            "path_refused",
            f"{path} cannot be named by path: this server was given no folders.",
            "Start it with --root FOLDER, or send the picture itself.",
        )
    if not Path(path).is_absolute() or not any(resolved.is_relative_to(root) for root in roots):
        raise MatteError(
            "path_refused",
            f"{path} lies outside the folders that this server may touch.",
            "Start the server with --root for its folder, or send the picture itself.",
        )
    return resolved
