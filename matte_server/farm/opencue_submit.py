"""Submits the outline beside this file to OpenCue; needs OpenCue's own pyoutline and nothing else.

    python submit.py            submits the job to the Cuebot that pycue is set up for
    python submit.py --check    builds the job with OpenCue's own code and prints the specification it would send

The command is launched as it stands, without pycuerun, as CueSubmit does: Cuebot then fills in each chunk's
#FRAME_START# and #FRAME_END#.
"""

import importlib
import sys
from pathlib import Path


def main() -> int:
    """Checks or submits."""
    outline = importlib.import_module("outline")
    cuerun = importlib.import_module("outline.cuerun")
    job = outline.load_json(Path(__file__).with_name("outline.json").read_text(encoding="utf-8"))
    launcher = cuerun.OutlineLauncher(job)
    if "--check" in sys.argv[1:]:
        print(launcher.serialize(use_pycuerun=False))
    else:
        launcher.launch(use_pycuerun=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
