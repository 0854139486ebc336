"""Cleanplate for Python: mattes of arrays and of files, and a client for a matting server that runs.

    import cleanplate
    made = cleanplate.matte("plate.exr", "clean.exr")          # or arrays, height x width x 3, scene-linear
    print(made.alpha.shape, made.foreground.shape, made.diagnostics["warnings"])

    report = cleanplate.matte_shot("plate.####.exr", "clean.exr", "out/matte.####.exr", model="difference")

    with cleanplate.Client("tcp://127.0.0.1:5560") as client:
        made = client.matte(plate, clean)

Nobody in the tree may import this package; it may import every room. What it exports is kept; everything else may
change with any version.
"""

from __future__ import annotations

from matte_link.errors import CleanplateError
from matte_link.options import MatteOptions

from .client import Client
from .frames import Matted, matte
from .shots import matte_shot

__all__ = ["CleanplateError", "Client", "MatteOptions", "Matted", "matte", "matte_shot"]
