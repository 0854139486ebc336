"""The matte of one frame from a matting server that runs."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from types import TracebackType
from typing import Self

from matte_link.client import MatteClient
from matte_link.errors import UnavailableError
from matte_link.messages import Inline, Matte, new_id
from matte_link.options import MatteOptions

from matte_server.core.image import SCENE_LINEAR, Guides, Image
from matte_server.io import exr
from matte_server.server.local_server import endpoint_of

from .frames import Matted, options_of_frame
from .pictures import Picture, guide_of, pair_of, with_file_warnings

_SENT = exr.ExrFormat(bit_depth="float", compression="none")


class Client:
    """A connection to a matting server, used as a context manager. Threads that share one take turns; give each its
    own to have the server work on several frames at once, and each process. Closing it ends what they wait for.

    ``address`` as for ``cleanplate matte --server`` (empty: $CLEANPLATE_SERVER, else the default one); ``keys``
    is the client's key file where the server has keys. Raises :class:`CleanplateError`: no answer within
    ``patience_s`` seconds is ``timeout`` or ``unavailable``."""

    def __init__(self, address: str = "", keys: str = "", patience_s: float = 30.0) -> None:
        self._client = MatteClient(endpoint_of(address, keys), patience_s)
        self._turn = threading.Lock()
        self._is_closed = False
        self._process = os.getpid()

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        # Another thread may be at the socket, and leaves it within a tenth of a second.
        with self._turn:
            self._client.__exit__(kind, error, trace)

    def matte(
        self, plate: Picture, clean: Picture, *, core: Picture | None = None, holdout: Picture | None = None,
        **options: object,
    ) -> Matted:  # fmt: skip
        """As :func:`cleanplate.matte`, computed by the server. A clean plate is sent once."""
        if self._process != os.getpid():
            # A fork has none of the threads that send.
            raise UnavailableError("This client was made by another process.", "Make one in each process.")
        chosen = options_of_frame(options)
        pair = pair_of(plate, clean, chosen)
        guides = Guides(core=guide_of(core, "core", pair.plate), holdout=guide_of(holdout, "holdout", pair.plate))
        request = Matte(
            id=new_id(),
            frame=1,
            plate=_sent(pair.plate, "plate"),
            clean_plate=_sent(pair.clean_plate, "clean plate"),
            core=_sent_guide(guides.core, "core"),
            holdout=_sent_guide(guides.holdout, "holdout"),
            options=_scene_linear(chosen),
        )
        with self._turn:
            reply = self._client.matte(request, cancelled=lambda: self._is_closed)
        return _received(bytes(reply.data), with_file_warnings(reply.diagnostics, pair, guides), chosen)


def _scene_linear(options: MatteOptions) -> MatteOptions:
    """Pictures were made scene-linear here, and the result comes back so."""
    return replace(
        options,
        layer="",
        clean_layer="",
        view="",
        colourspace=SCENE_LINEAR,
        clean_colourspace=SCENE_LINEAR,
        output_colourspace=SCENE_LINEAR,
    )


def _sent(image: Image, name: str) -> Inline:
    rgb = replace(image, pixels=image.rgb, channels=("R", "G", "B"), premultiplied=False, metadata={})
    return Inline(data=exr.encode_exr(rgb, {}, _SENT), name=f"{name}.exr")


def _sent_guide(guide: Image | None, name: str) -> Inline | None:
    if guide is None:
        return None
    return Inline(data=exr.encode_exr(replace(guide, metadata={}), {}, _SENT), name=f"{name}.exr")


def _received(data: bytes, diagnostics: dict[str, object], options: MatteOptions) -> Matted:
    result = exr.read_image(data, name="result.exr")
    wanted = {
        "clean": options.layer_clean,
        "confidence": options.layer_confidence,
        "difference": options.layer_difference,
        "shadow": options.layer_shadow,
    }
    layers = {
        name: exr.read_image(data, layer=name, name="result.exr").pixels
        for name, is_wanted in wanted.items()
        if is_wanted
    }
    return Matted(
        alpha=result.pixels[..., result.channels.index("A")],
        foreground=result.rgb,
        layers=layers,
        diagnostics=diagnostics,
    )
