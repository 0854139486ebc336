"""The folders of one settings key. No nuke here.

Windows refuses to replace a file that another program holds open, as Nuke does with results that it shows. There a
run that makes results anew writes into another folder, ``KEY-2`` after ``KEY``, which gets all other results of the
folder before; the node is then switched to it. The folder before stays until Clear cache.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from . import manifest

_NUMBERED = re.compile(r"(.+?)(?:-(\d+))?\Z")


def newest(folder: str) -> str:
    """The newest folder of a settings key; ``folder`` itself, the first one, where there is no other."""
    first = Path(folder)
    ends = [path.name[len(first.name) + 1 :] for path in first.parent.glob(f"{first.name}-*")]
    numbers = [int(end) for end in ends if end.isdigit()]
    return f"{folder}-{max(numbers)}" if numbers else folder


def following(folder: str) -> str:
    """The folder after one."""
    match = _NUMBERED.match(folder)
    assert match is not None
    return f"{match.group(1)}-{int(match.group(2) or 1) + 1}"


def carry_over(old: str, new: str, left_out: Collection[tuple[int, str]] = (), may_copy: bool = True) -> None:
    """Gives a folder the results of another one of its key that it lacks, without those ``left_out``, by frame and
    view. A result takes no room twice where the disk knows hard links; elsewhere it is copied, if that ``may`` be.
    A frame that failed comes along without a matte, since what an old version left is of an earlier picture,
    and one that failed in the new folder gets none. Raises ``OSError``."""
    for record in manifest.read_all(old):
        at = record.frame, record.view
        target = Path(manifest.result_file(new, *at))
        if at in left_out or target.exists() or manifest.read(new, *at) is not None:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if record.code or _link(Path(manifest.result_file(old, *at)), target, may_copy):
            manifest.write(new, record)


def _link(source: Path, target: Path, may_copy: bool) -> bool:
    """False where there is nothing to link, or another Nuke has put a result there meanwhile, which it records."""
    try:
        os.link(source, target)
    except (FileExistsError, FileNotFoundError):
        return False
    except OSError:
        if not may_copy:
            raise
        shutil.copyfile(source, target)
    return True
