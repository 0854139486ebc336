"""A video on a disk that fills while it is written."""

from __future__ import annotations

import json
from pathlib import Path

from tests.small_disk import python_beside_a_small_disk

_FILL = """
import json, os, sys
from fractions import Fraction
from pathlib import Path
from matte_server.errors import MatteError
from matte_server.io.video_writer import MovieSettings, VideoWriter
from tests.matte_server.io.test_image_check import PAGE, picture

def write(path):
    form = MovieSettings(width=300, height=200, rate=Fraction(24), comment="made from this")
    try:
        with VideoWriter(path, form) as writer:
            for _ in range(3):
                writer.write(picture())
        return "written"
    except MatteError as error:
        return f"{error.code}: {error.message}"

disk, elsewhere = Path(sys.argv[1]), Path(sys.argv[2])
found = {}
for suffix in (".mov", ".mp4"):
    whole = elsewhere / f"a{suffix}"
    assert write(whole) == "written"
    pages = -(-whole.stat().st_size // PAGE)
    for missing in (1, 2, pages // 2):
        (disk / "filler").write_bytes(bytes((os.statvfs(disk).f_bavail - pages + missing) * PAGE))
        answer = write(disk / f"a{suffix}")
        found[f"{suffix} {missing}"] = [answer, sorted(each.name for each in disk.iterdir())]
        for each in disk.iterdir():
            each.unlink()
print(json.dumps(found))
"""


def test_a_video_that_does_not_fit_is_not_there_and_costs_one_sentence(tmp_path: Path) -> None:
    disk = tmp_path / "small"
    found = json.loads(python_beside_a_small_disk(_FILL, disk, "2m", str(tmp_path)))
    assert len(found) == 6
    for which, (answer, left) in found.items():
        suffix = which.split()[0]
        assert answer.startswith(f"cannot_write: {disk}/a{suffix} cannot be written: "), which
        assert left == ["filler"], which
