"""Memory limits where they are nested, as files in both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from matte_server.worker.cgroup import memory_limit

_GIB = 1 << 30


def _write(root: Path, limits: dict[str, str]) -> Path:
    for name, text in limits.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("own", "limits", "smallest"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"memory.max": str(4 * _GIB)}, 4 * _GIB),
        ("0::/\n", {"memory.max": "max"}, None),
        # A systemd service with MemoryMax, in a slice with more.
        (
            "0::/system.slice/cleanplate.service\n",
            {"system.slice/cleanplate.service/memory.max": str(2 * _GIB), "system.slice/memory.max": str(8 * _GIB)},
            2 * _GIB,
        ),
        # The slice around it has less.
        (
            "0::/system.slice/cleanplate.service\n",
            {"system.slice/cleanplate.service/memory.max": "max", "system.slice/memory.max": str(3 * _GIB)},
            3 * _GIB,
        ),
        # The first version, as Slurm and older machines have it, beside an empty second one.
        (
            "5:cpu,cpuacct:/x\n3:memory:/slurm/job_7\n0::/\n",
            {
                "memory/slurm/job_7/memory.limit_in_bytes": str(_GIB),
                "memory/memory.limit_in_bytes": str(2**63 - 4096),
            },
            _GIB,
        ),
        # A container that sees its own group as the root, but its path as the host does.
        ("0::/docker/0123\n", {"memory.max": str(6 * _GIB)}, 6 * _GIB),
    ],
)
def test_the_smallest_limit_around_a_process_counts(
    tmp_path: Path, own: str, limits: dict[str, str], smallest: int | None
) -> None:
    (tmp_path / "own").write_text(own)
    assert memory_limit(_write(tmp_path / "cgroup", limits), tmp_path / "own") == smallest


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "none", tmp_path / "none") is None
