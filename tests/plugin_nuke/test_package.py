"""The folder that users install, and the client in it on the real interpreters of Nuke 14, 15 and 16."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cleanplate_node.bench import ContractBench, Server

REPOSITORY = Path(__file__).resolve().parents[2]
BUILT = REPOSITORY / ".venvs" / "nuke-package"
"""Kept between runs: downloads are the slow part. The plugin's own files in it are copied anew each time."""

sys.path.insert(0, str(REPOSITORY / "plugin_nuke"))

import package  # noqa: E402 - found by the line above, as users find it

LINUX = package.PLATFORMS[0]
needs_linux = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheels tried here are Linux x86_64's"
)

# Runs on the other interpreter, with nothing but the built folder: no numpy, no pytest.
_SCRIPT = """
import compileall, importlib, json, pathlib, sys
folder, address, shot, out = sys.argv[1:]
sys.path.insert(0, folder)
from cleanplate_node import vendor
vendor.add_paths()
assert not vendor.trouble(), vendor.trouble()
import zmq
for package in ("/cleanplate_node", "/matte_link"):
    assert compileall.compile_dir(folder + package, quiet=1)
for name in ("panel", "graph", "nk_text", "fingerprint", "manifest", "range_plan", "plain_exr"):
    importlib.import_module("cleanplate_node." + name)
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.job import MatteJob
from matte_link.job_events import FrameDone, FrameFailed, JobFinished
from matte_link.tasks import FrameTask, LocalFile
from matte_link.messages import Inline
from matte_link.options import MatteOptions
plate, clean = LocalFile(shot + "/plate.0001.exr"), LocalFile(shot + "/clean.exr")
absent = LocalFile(shot + "/none.exr")
tasks = [FrameTask(1, plate, clean, out + "/m.1.exr"), FrameTask(2, absent, clean, out + "/m.2.exr")]
job = MatteJob(tasks, MatteOptions(model="difference", align="none", compression="none"), Endpoint(address))
job.start()
assert job.join(120)
events = job.poll()
from cleanplate_node import plain_exr
picture = plain_exr.read(pathlib.Path(out + "/m.1.exr"))
job = MatteJob(tasks, MatteOptions(), Endpoint("tcp://127.0.0.1:9"), patience_s=0.3)
job.start()
assert job.join(20)
with MatteClient(Endpoint(address)) as client:
    pong = client.ping(30)
print(json.dumps({
    "python": list(sys.version_info[:2]),
    "zmq": zmq.__file__,
    "models": list(pong.models),
    "done": [event.frame for event in events if isinstance(event, FrameDone)],
    "failed": [event.message for event in events if isinstance(event, FrameFailed)],
    "nobody": str(job.poll()[-1].message),
    "alpha": [picture.at(int(x), int(y), "A") for x, y in json.loads(open(shot + "/points.json").read())],
}))
"""


def interpreter(version: str) -> str:
    """A Python of that version, bare of what a virtual environment (this one, under uv) holds: the one behind
    PATH's, else pyenv's; skips where there is none."""
    candidates = [shutil.which(f"python{version}") or ""]
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=False).stdout.strip()
        candidates += [str(path) for path in sorted(Path(root).glob(f"versions/{version}.*/bin/python"))]
    for candidate in candidates:
        if not candidate:
            continue
        probe = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2]); print(sys._base_executable)"]
        found = subprocess.run(probe, capture_output=True, text=True, check=False).stdout.splitlines()
        if found[:1] == [version]:
            return found[1]
    pytest.skip(f"there is no Python {version} on this machine, neither on PATH nor in pyenv")


def built(python: str) -> Path:
    """The installed folder with this Python's pyzmq; the plugin's files are the checkout's present ones."""
    vendor = BUILT / "vendor" / package.vendored(python, LINUX)
    if not (vendor / "zmq").is_dir():
        shutil.rmtree(vendor, ignore_errors=True)
        package.add_pyzmq(vendor, python, LINUX)
    folder = BUILT / f"cp{python}"
    shutil.rmtree(folder, ignore_errors=True)
    package.copy_plugin(folder)
    shutil.copytree(vendor, folder / "vendor" / vendor.name)
    return folder


@needs_linux
@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11"])
def test_the_client_on_a_real_interpreter(version: str, server: Server, tmp_path: Path) -> None:
    python = interpreter(version)
    bench = ContractBench(tmp_path, server)
    shot = bench.shot((1,))
    x, y, radius = bench.truth[1]
    (shot / "points.json").write_text(json.dumps([[x, y], [x + 2 * radius, y]]))
    folder = built(version.replace(".", ""))
    words = [python, "-I", "-c", _SCRIPT, str(folder), server.address, str(shot), str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["python"] == [int(part) for part in version.split(".")]
    assert Path(facts["zmq"]).resolve().is_relative_to(folder.resolve())
    assert "difference" in facts["models"]
    assert facts["done"] == [1]
    assert len(facts["failed"]) == 1 and "none.exr cannot be read: No such file" in facts["failed"][0]
    assert "No matting server answers at tcp://127.0.0.1:9" in facts["nobody"]
    # Half float and the matte's own slack.
    assert facts["alpha"] == pytest.approx([1.0, 0.0], abs=0.02)


def test_the_folder_is_whole_and_holds_nothing_else(tmp_path: Path) -> None:
    folder = package.build(tmp_path, pythons=())
    assert folder == tmp_path / "cleanplate_nuke"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    wanted = {"init.py", "menu.py", "README.md", "DETAILS.md", "CHECKLIST.md", "REPORTS.md", "panel.svg", "LICENSE"}
    for name in ("cleanplate_node", "matte"):
        wanted |= {path.relative_to(package.HERE).as_posix() for path in (package.HERE / name).rglob("*.py")}
    shared = package.HERE.parent / "shared" / "matte_link"
    wanted |= {f"matte_link/{path.name}" for path in shared.iterdir() if path.is_file()}
    assert names == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["cleanplate_nuke"]
    assert (package.HERE / "cleanplate_node" / "panel.py").read_bytes() == (
        folder / "cleanplate_node" / "panel.py"
    ).read_bytes()


def test_an_older_folder_is_replaced_and_a_strangers_is_not(tmp_path: Path) -> None:
    (package.build(tmp_path, pythons=()) / "old.txt").touch()
    assert not (package.build(tmp_path, pythons=()) / "old.txt").exists()
    # A folder of the version in which the package was called matte.
    (tmp_path / "cleanplate_nuke" / "cleanplate_node").rename(tmp_path / "elsewhere")
    assert (package.build(tmp_path, pythons=()) / "cleanplate_node").is_dir()
    other = tmp_path / "other" / "cleanplate_nuke"
    other.mkdir(parents=True)
    (other / "mine.txt").touch()
    with pytest.raises(package.NukePackageError, match="is no Cleanplate folder"):
        package.build(tmp_path / "other", pythons=())
    assert (other / "mine.txt").exists()


@needs_linux
def test_a_folder_without_the_right_pyzmq_says_so(tmp_path: Path) -> None:
    folder = package.build(tmp_path, pythons=())
    (folder / "vendor" / "cp27-linux-x86_64").mkdir(parents=True)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from cleanplate_node import vendor; print(vendor.trouble())"
    )
    # -S: no site-packages, so that this test environment's own pyzmq is out of reach.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(folder)], capture_output=True, text=True, check=True
    )
    assert "Cleanplate cannot load zmq for cp3" in done.stdout
    assert "built for cp27-linux-x86_64" in done.stdout and "package.py" in done.stdout


def test_no_wheel_is_one_sentence(tmp_path: Path) -> None:
    nowhere = package.Platform("amiga-m68k", ("amiga_m68k",))
    with pytest.raises(package.NukePackageError, match=r"pip could not bring pyzmq .* for cp39-amiga-m68k"):
        package.build(tmp_path, pythons=("39",), platforms=(nowhere,))
    assert not list(tmp_path.iterdir())
