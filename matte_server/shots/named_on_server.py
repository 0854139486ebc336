"""Whether a server can open what a shot's options name: asked before anything of the shot is measured."""

from __future__ import annotations

import numpy as np
from matte_link.client import MatteClient
from matte_link.errors import RemoteError
from matte_link.messages import Inline, Matte, new_id
from matte_link.options import MatteOptions

from ..core.image import Image
from ..core.window import Window
from ..io import exr
from .reports import ALL_FRAMES_FAIL

_SIDE = 64
"""Pixels; every network takes pictures of this size, in a moment."""


def check_named_on_server(options: MatteOptions, client: MatteClient) -> None:
    """Has the server matte a small grey picture with the weights and the OCIO config that the options name. Raises
    ``LinkError``: ``RemoteError`` with a code of ``ALL_FRAMES_FAIL`` where it cannot open them."""
    if not (options.weights or options.ocio_config):
        return
    asked = MatteOptions(
        model=options.model,
        weights=options.weights,
        ocio_config=options.ocio_config,
        align="none",
        match_exposure=False,
    )
    picture = _grey_picture()
    # With a core matte V1 needs no weights of segmentation; whether the shot does, its first frame says.
    try:
        client.matte(Matte(id=new_id(), frame=0, plate=picture, clean_plate=picture, core=picture, options=asked))
    except RemoteError as error:
        # What else fails here may be fine with the shot's own pictures.
        if error.code in ALL_FRAMES_FAIL:
            raise


def _grey_picture() -> Inline:
    window = Window(0, 0, _SIDE, _SIDE)
    grey = np.full((_SIDE, _SIDE, 3), 0.2, np.float32)
    image = Image(pixels=grey, channels=("R", "G", "B"), data_window=window, display_window=window)
    return Inline(data=exr.encode_exr(image, {}, exr.ExrFormat()), name="grey.exr")
