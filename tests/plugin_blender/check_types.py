"""Checks the add-on's types strictly, against published stubs of Blender.

``python tests/plugin_blender/check_types.py``; exits as mypy does.

The add-on imports ``matte_link`` out of its own folder, where only the built zip has it. So the checker looks at a
folder that is put together as the zip is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from plugin_blender.package import shipped_files  # noqa: E402

_SETTINGS = """\
[mypy]
strict = True
python_version = 3.11
explicit_package_bases = True
"""


def main() -> int:
    """Prints what mypy finds, in the repository's own paths; returns its exit code."""
    with tempfile.TemporaryDirectory(prefix="cleanplate-types-") as temporary:
        root = Path(temporary)
        for name, file in shipped_files():
            if file.suffix == ".py":
                target = root / "plugin_blender" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
        (root / "mypy.ini").write_text(_SETTINGS, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", str(_cache())]
        done = subprocess.run([*command, "plugin_blender"], cwd=root, capture_output=True, text=True, check=False)
    print(done.stdout.replace("plugin_blender/matte_link/", "shared/matte_link/") + done.stderr, end="")
    return done.returncode


def _cache() -> Path:
    return REPOSITORY / ".mypy_cache" / "plugin_blender"


if __name__ == "__main__":
    sys.exit(main())
