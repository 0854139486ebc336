"""The memory limit of the control groups that this process is in: a service's, a container's, a batch job's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def memory_limit(root: Path = _ROOT, own: Path = _OWN) -> int | None:
    """The smallest limit in bytes of the process's own group and of those around it; None where there is none.
    ``root``: where the groups lie as files; ``own``: the list of the groups that the process is in."""
    limits = []
    for path in _limit_files(root, own):
        # "max" stands for no limit.
        with suppress(OSError, ValueError):
            limits.append(int(path.read_text(encoding="utf-8")))
    return min(limits, default=None)


def _limit_files(root: Path, own: Path) -> Iterator[Path]:
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    # Where a container sees its own group as the root, the path in the list does not exist below it.
    yield root / "memory.max"
    yield root / "memory" / "memory.limit_in_bytes"
    for line in lines:
        _, controllers, group = line.split(":", 2)
        is_second_version = not controllers
        if not is_second_version and "memory" not in controllers.split(","):
            continue
        base, name = (root, "memory.max") if is_second_version else (root / "memory", "memory.limit_in_bytes")
        place = PurePosixPath(group.lstrip("/"))
        yield from (base / each / name for each in (place, *place.parents))
