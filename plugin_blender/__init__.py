"""The Cleanplate Matte node inside Blender's compositor.

Everything that needs ``bpy`` is imported inside :func:`register`, so that tools may import this package anywhere.
"""

import importlib
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
if not (_HERE / "matte_link").is_dir():
    # In the source tree matte_link lies beside this folder; packages carry their own copy.
    __path__.append(str(_HERE.parent / "shared"))
_NO_PYZMQ = (
    "Cleanplate Matte cannot run in this Blender: its zip carries no pyzmq for Python {python} ({error}). "
    "Install pyzmq for that Python, or use Blender 4.5, 5.0 or 5.2 from blender.org."
)
_TWICE = (
    "Another copy of Cleanplate Matte is switched on: {copy}. Two would act on the same nodes, so switch that one "
    "off first."
)


def register() -> None:
    """Called by Blender where the add-on is switched on. Raises ``ImportError``, in one sentence, where there is no
    pyzmq for this Blender's Python, and ``RuntimeError`` where another copy of the add-on is switched on."""
    try:
        importlib.import_module("zmq")
    except ImportError as error:
        raise ImportError(_NO_PYZMQ.format(python=sys.version.split()[0], error=error)) from None
    import bpy

    other = getattr(bpy.types, "CLEANPLATE_OT_add", None)
    copy = other.__module__.rpartition(".")[0] if other else __name__
    # Of its own name there may be what a register that failed has left.
    if copy != __name__:
        raise RuntimeError(_TWICE.format(copy=copy))
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender where the add-on is switched off."""
    from . import registration

    registration.unregister()
    _forget_modules()


def _forget_modules() -> None:
    """Has the next :func:`register` read the code again, which may be another version's by then: Blender's Reload
    Scripts reads this file alone."""
    prefix = f"{__name__}."
    for name in [each for each in sys.modules if each.startswith(prefix)]:
        del sys.modules[name]
        globals().pop(name.removeprefix(prefix), None)
