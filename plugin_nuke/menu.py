"""Nuke runs this after init.py where it has a window."""

import traceback

try:
    from cleanplate_node import callbacks

    callbacks.register_menu()
except ImportError as error:
    print(f"Cleanplate's menu could not be made: {error}")
except Exception:  # noqa: BLE001 - the error is printed, and Nuke starts
    print("Cleanplate's menu could not be made:")
    traceback.print_exc()
