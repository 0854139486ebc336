"""Whatever a stranger can get wrong on the command line: one sentence, a code, an exit code, and nothing lost.

All through the real command and a real server. Each case says what is wrong, and afterwards every input is byte
for byte what it was, and no half file bears a final name.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import OpenImageIO as oiio
import psutil
import pytest
import zmq
from matte_link.client import MatteClient
from matte_link.messages import Failure, Inline, Matte
from matte_link.options import MatteOptions
from matte_link.wire import decode, encode

from matte_server.cli import console
from matte_server.cli import main as cli
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from matte_server.shots import batch
from matte_server.shots.outputs import write_matte

HEIGHT, WIDTH = 72, 96


def wall(size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    return np.stack([0.4 + 0.2 * np.sin(x / 3), 0.4 + 0.1 * np.cos(y / 4 + x / 5), 0.3 + 0.1 * np.sin(y / 3)], -1)


def save(path: Path, pixels: np.ndarray) -> Path:
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    exr.write_image(path, Image(np.ascontiguousarray(pixels, np.float32), ("R", "G", "B"), window, window))
    return path


class CommandBench:
    """A small shot, the command, and what must hold after whatever went wrong."""

    def __init__(self, folder: Path, server: LocalServer) -> None:
        self.folder = folder
        self.server = server
        behind = wall()
        self.clean = save(folder / "clean.exr", behind)
        self.plates = [folder / f"plate.{frame:04}.exr" for frame in range(1, 4)]
        for number, path in enumerate(self.plates):
            plate = behind.copy()
            plate[20:50, 20 + 8 * number : 44 + 8 * number] = (2.0, 0.1, 0.05)
            save(path, plate)
        self.out = folder / "out"
        self.inputs: dict[Path, bytes] = {}

    def words(self, *more: str) -> list[str]:
        pattern = str(self.folder / "plate.####.exr")
        output = str(self.out / "matte.####.exr")
        basic = ["matte", pattern, "--clean", str(self.clean), "-o", output, "--model", "difference"]
        return [*basic, "--server", self.server.endpoint.address, *more]

    def run(self, *more: str) -> int:
        """Runs the command; checks afterwards that no input was touched and nothing half was left."""
        files = [path for path in self.folder.iterdir() if path.is_file()]
        before = {path: path.read_bytes() for path in files}
        code = cli.main(self.words(*more))
        assert {path: path.read_bytes() for path in before} == before
        assert [path for path in self.folder.rglob("*") if ".tmp" in path.name] == []
        return code

    def made(self) -> list[str]:
        return sorted(path.name for path in self.out.glob("*.exr")) if self.out.exists() else []


@pytest.fixture
def bench(tmp_path: Path, server: LocalServer) -> CommandBench:
    return CommandBench(tmp_path, server)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().err


def test_a_frame_missing_in_the_middle(bench: CommandBench, said: Callable[[], str]) -> None:
    bench.plates[1].unlink()
    assert bench.run() == console.BAD_INPUT
    words = said()
    assert "missing_frame" in words
    assert "has no frame 2 between 1 and 3; nothing was started" in words
    assert bench.made() == []
    # Named frames are those that were meant.
    assert bench.run("--frames", "1,3") == console.OK
    assert bench.made() == ["matte.0001.exr", "matte.0003.exr"]


def broken(bench: CommandBench, content: bytes) -> None:
    bench.plates[1].write_bytes(content)


def others_are_finished(bench: CommandBench, words: str, code: str, sentence: str) -> None:
    assert f"({code})" in words
    assert sentence in words
    assert "frame 2" in words
    assert bench.made() == ["matte.0001.exr", "matte.0003.exr"]


def test_a_truncated_exr(bench: CommandBench, said: Callable[[], str]) -> None:
    broken(bench, bench.plates[1].read_bytes()[:1500])
    assert bench.run() == console.FRAMES_FAILED
    others_are_finished(bench, said(), "unreadable", "It may be truncated or still being written")


def test_a_deep_exr(bench: CommandBench, said: Callable[[], str]) -> None:
    spec = oiio.ImageSpec(WIDTH, HEIGHT, 4, "float")
    spec.channelnames = ("R", "G", "B", "A")
    spec.deep = True
    data = oiio.DeepData()
    data.init(WIDTH * HEIGHT, 4, (oiio.TypeFloat,) * 4, spec.channelnames)
    writer = oiio.ImageOutput.create("deep.exr")
    assert writer is not None
    assert writer.open(str(bench.plates[1]), spec)
    assert writer.write_deep_image(data)
    writer.close()
    assert bench.run() == console.FRAMES_FAILED
    sentence = "is a deep EXR, which has no single alpha per pixel. Flatten it first."
    others_are_finished(bench, said(), "deep", sentence)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(bench: CommandBench, said: Callable[[], str], value: float) -> None:
    plate = exr.read_image(bench.plates[1]).pixels.copy()
    plate[3, 4, 1] = value
    save(bench.plates[1], plate)
    stored = exr.read_image(bench.plates[1]).pixels[3, 4, 1]
    if np.isfinite(stored):
        # Our own half-float writer clips infinity; the plate of a stranger does not.
        window = Window(0, 0, WIDTH, HEIGHT)
        image = Image(plate, ("R", "G", "B"), window, window)
        exr.write_image(bench.plates[1], image, exr.ExrFormat("float"))
    assert bench.run() == console.FRAMES_FAILED
    sentence = "The plate has 1 NaN or infinite value, the first at x 4, y 3."
    others_are_finished(bench, said(), "not_finite", sentence)


def test_no_picture_at_all(bench: CommandBench, said: Callable[[], str]) -> None:
    broken(bench, b"this is no EXR")
    assert bench.run() == console.FRAMES_FAILED
    others_are_finished(bench, said(), "unreadable", "plate.0002.exr cannot be read")


@pytest.mark.parametrize("scale", [2, 0.5])
def test_a_clean_plate_of_another_size_is_a_proxy(bench: CommandBench, scale: float) -> None:
    """Half and double size show the same view: they are scaled onto the plate, not refused."""
    size = (int(HEIGHT * scale), int(WIDTH * scale))
    y, x = (np.mgrid[0 : size[0], 0 : size[1]] + 0.5) / scale - 0.5
    pixels = [0.4 + 0.2 * np.sin(x / 3), 0.4 + 0.1 * np.cos(y / 4 + x / 5), 0.3 + 0.1 * np.sin(y / 3)]
    save(bench.clean, np.stack(pixels, -1))
    assert bench.run("--frames", "1") == console.OK
    alpha = exr.read_image(bench.out / "matte.0001.exr").pixels[..., 3]
    # Inside and outside of the square, away from its edge.
    assert alpha[25:45, 25:39].mean() > 0.95
    assert alpha[:, 60:].mean() < 0.05


def test_a_clean_plate_of_another_place_is_warned_of(bench: CommandBench, said: Callable[[], str]) -> None:
    save(bench.clean, np.random.default_rng(1).uniform(0, 1, (40, 170, 3)))
    assert bench.run("--frames", "1") == console.OK
    assert "WARNING" in said()


def test_an_output_folder_that_cannot_be_written(bench: CommandBench, said: Callable[[], str]) -> None:
    # A file where the folder should be: permissions do not bind a superuser, who runs some build machines.
    bench.out.write_bytes(b"I was here first")
    assert bench.run("--frames", "1") == console.BAD_INPUT
    assert "(cannot_write)" in (words := said())
    assert "matte.0001.exr cannot be written (Not a directory); nothing was started" in words
    assert bench.out.read_bytes() == b"I was here first"


def test_a_result_whose_name_a_folder_has(bench: CommandBench, said: Callable[[], str]) -> None:
    (bench.out / "matte.0001.exr").mkdir(parents=True)
    assert bench.run("--frames", "1", "--overwrite") == console.BAD_INPUT
    assert "matte.0001.exr is a folder; nothing was started" in said()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk(bench: CommandBench) -> None:
    """A disk without room for the matte and for the report: both are named, the summary is printed all the same,
    and no half file stays."""
    report = bench.folder / "report.json"
    command = [sys.executable, "-c", _SMALL_DISK, *bench.words("--frames", "1", "--json", str(report))]
    process = subprocess.run(command, check=False, capture_output=True, text=True)
    assert process.returncode == console.BAD_INPUT
    assert "0 done, 0 already there, 1 failed" in process.stdout
    assert "report.json cannot be written" in process.stderr and not report.exists()
    assert "(cannot_write)" in process.stderr
    assert "File too large" in process.stderr
    # The plate solve is small enough to have found room; of the matte there is nothing, not even a part.
    assert {path.name for path in bench.out.iterdir()} <= {"matte.platesolve.json"}


_SMALL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from matte_server.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
sys.exit(main.main(sys.argv[1:]))
"""
"""A limit on the size of files stops a write in the middle, as a full disk does, on any machine."""


def test_output_equal_to_input(bench: CommandBench, said: Callable[[], str]) -> None:
    for output in ("plate.####.exr", "./plate.%04d.exr", "../" + bench.folder.name + "/plate.####.exr"):
        assert bench.run("-o", str(bench.folder / output)) == console.BAD_INPUT
        assert "is both input and output; nothing was started" in said()
    assert bench.run("-o", str(bench.clean), "--frames", "1") == console.BAD_INPUT
    assert "output_is_input" in said()
    comp = ["--background", str(bench.clean), "--comp", str(bench.clean), "--frames", "1"]
    assert bench.run(*comp) == console.BAD_INPUT


def test_one_output_for_many_frames(bench: CommandBench, said: Callable[[], str]) -> None:
    assert bench.run("-o", str(bench.out / "matte.exr")) == console.BAD_INPUT
    assert "is one file for 3 frames. Put a frame number into its name" in said()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--frames", "10-1"], "runs backwards"),
        (["--frames", "one"], "is not a frame range"),
        (["--frames", "7"], "does not exist; nothing was started"),
        (["--clean", "nothing.exr"], "nothing.exr and"),
        (["-o", "matte.####.gif"], "The name must end in one of .exr"),
        (["--black-point", "0.9", "--white-point", "0.1"], "black_point must lie below white_point"),
        (["--background", "sky.exr"], "go together"),
        (["--solve", "nothing.json"], "cannot be read"),
        (["--server", "nonsense"], "is not an address"),
        (["--colourspace", "logd5"], "'logd5' is not in the OCIO config"),
        (["--clean-colourspace", "logd5", "--dry-run"], "'logd5' is not in the OCIO config"),
        (["--output-colourspace", "logd5"], "'logd5' is not in the OCIO config"),
        (["--ocio-config", "studio.ocio"], "There is no OCIO config at studio.ocio"),
    ],
)
def test_what_cannot_work_is_not_started(
    bench: CommandBench, said: Callable[[], str], words: list[str], sentence: str
) -> None:
    if "nothing.exr" in words:
        sentence = "nothing.exr does not exist; nothing was started"
    assert bench.run(*words) == console.BAD_INPUT
    assert sentence in said()
    assert bench.made() == []


def test_an_unknown_word_on_the_command_line(bench: CommandBench, said: Callable[[], str]) -> None:
    with pytest.raises(SystemExit) as raised:
        bench.run("--feather", "3")
    assert raised.value.code == console.BAD_INPUT
    assert "--feather" in said()


def test_an_unknown_option_over_the_wire(bench: CommandBench) -> None:
    """A client of a later version sends what this server has never heard of: refused by name, and it goes on."""
    plate, clean = (Inline(path.read_bytes(), path.name) for path in (bench.plates[0], bench.clean))
    request = Matte(
        id=uuid4().hex, frame=1, plate=plate, clean_plate=clean, options=MatteOptions(model="difference")
    )
    magic, header, *blobs = encode(request)
    # Our own encoder would never write this.
    unknown = bytes(header).replace(b'"options":{', b'"options":{"feather":3,')
    with zmq.Context() as context, context.socket(zmq.DEALER) as later:
        later.setsockopt(zmq.RCVTIMEO, 20_000)
        later.setsockopt(zmq.LINGER, 0)
        later.connect(bench.server.endpoint.address)
        later.send_multipart([magic, unknown, *blobs])
        answer = decode(later.recv_multipart())
    assert isinstance(answer, Failure)
    assert (answer.id, answer.code) == (request.id, "protocol")
    assert "unknown option 'feather'" in answer.message
    with MatteClient(bench.server.endpoint) as client:
        assert client.matte(replace(request, id=uuid4().hex)).data


@pytest.mark.parametrize(
    ("is_others", "whose"), [(False, "perhaps by another Cleanplate server"), (True, "by another user")]
)
def test_a_port_that_is_taken(
    said: Callable[[], str], monkeypatch: pytest.MonkeyPatch, is_others: bool, whose: str
) -> None:
    monkeypatch.setattr("matte_server.server.serve.is_another_users", lambda address: is_others)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        assert cli.main(["serve", "--bind", address]) == console.BAD_INPUT
    words = said()
    assert "(port_taken)" in words
    assert f"is already taken, {whose}. Look" in words


@pytest.mark.parametrize("port", ["65536", "99999"])
def test_a_port_that_no_machine_has(said: Callable[[], str], port: str) -> None:
    """ZeroMQ binds to the remainder, 34463 for 99999."""
    assert cli.main(["serve", "--bind", f"tcp://127.0.0.1:{port}"]) == console.BAD_INPUT
    words = said()
    assert "(bad_address)" in words and "ports end at 65535." in words


def test_no_server_at_the_address(bench: CommandBench, said: Callable[[], str]) -> None:
    with socket.socket() as silent:  # bound, so that nobody else gets the port, and it does not listen
        silent.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert bench.run("--server", address, "--patience", "1") == console.NO_SERVER
    assert "No matting server answers at" in said()
    assert bench.made() == []


def test_a_server_that_is_killed_in_the_middle(
    tmp_path: Path, server: LocalServer, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished stays, the rest is not tried, and the same command on another server makes it."""
    with LocalServer(["--device", "cpu"]) as doomed:
        bench = CommandBench(tmp_path, doomed)
        frames = range(4, 17)  # more than are at the server, written and read ahead at a time
        for frame in frames:
            shutil.copy(bench.plates[-1], bench.folder / f"plate.{frame:04}.exr")

        def write_and_kill(*arguments: Any) -> None:
            write_matte(*arguments)
            _kill(doomed.pid)

        monkeypatch.setattr(batch, "write_matte", write_and_kill)
        assert bench.run("--patience", "3") == console.NO_SERVER
        monkeypatch.undo()
    words = said()
    assert "(unavailable)" in words or "(timeout)" in words
    finished = {name: (bench.out / name).read_bytes() for name in bench.made()}
    assert 1 <= len(finished) <= 11
    assert all(exr.read_stamp(bench.out / name) for name in finished)
    bench.server = server
    assert bench.run() == console.OK
    assert bench.made() == [f"matte.{frame:04}.exr" for frame in range(1, frames.stop)]
    assert {name: (bench.out / name).read_bytes() for name in finished} == finished


def _kill(pid: int) -> None:
    """Kills a server and its workers: what they have open must not outlive it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        for process in [server, *server.children(recursive=True)]:
            process.kill()
