"""Nuke runs this at every start, with and without a window. It must never keep Nuke from starting."""

import sys
import traceback
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))

try:
    from cleanplate_node import vendor

    vendor.add_paths()
    from cleanplate_node import callbacks

    callbacks.register()
except ImportError as error:
    print(f"Cleanplate could not be loaded: {error}")
except Exception:  # noqa: BLE001 - the error is printed, and Nuke starts
    print("Cleanplate could not be loaded:")
    traceback.print_exc()
