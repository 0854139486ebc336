"""Bundles run for real by Open Job Description's own command, and taken by AWS Deadline Cloud's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from matte_link.endpoint import ADDRESS_VARIABLE
from matte_link.errors import LinkError
from matte_link.file_digest import file_digest
from matte_link.result_key import MAKER, Maker

from matte_server.cli.main import main as cli
from matte_server.errors import MatteError
from matte_server.farm import resident, task
from matte_server.farm.farm_job import FarmJob, FarmPlan
from matte_server.farm.openjd import template
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from tests.benchmarks.shots import small_matte
from tests.small_disk import files_of_at_most

from .conftest import CLEANPLATE, FIRST, FRAMES, FarmShot, cleanplate, plain_run, run

Make = Callable[..., Path]


def _run_job(openjd: str, folder: Path, *more: str, ok: bool = True) -> str:
    parameters = f"file://{folder / 'openjd_parameters.yaml'}"
    return run(openjd, "run", str(folder / "template.yaml"), "-p", parameters, *more, ok=ok)


def _first(count: int) -> str:
    """The shot's first frames, as ``--frames`` takes them."""
    return f"{FIRST}-{FIRST + count - 1}"


def _server_is_gone(said: str) -> bool:
    """Whether the one server that a session told of has ended."""
    (pid,) = re.findall(r"matting server at tcp://\S+, pid (\d+)", said)
    with contextlib.suppress(psutil.NoSuchProcess):
        return "serve" not in psutil.Process(int(pid)).cmdline()  # a zombie has none
    return True


def test_the_smallest_chunks_give_the_same_bytes(
    openjd: str, bundle: Make, shot: FarmShot, truth: dict[str, str]
) -> None:
    """Each chunk is a process and each job a server, so other cuts are tried with what comes below: one chunk where
    paths are mapped, a smaller last one where a chunk is run again. A whole shot's figures are in
    tests/benchmarks."""
    folder = bundle("openjd", "smallest", "--chunk", "1", "--frames", _first(3))
    assert "passes validation" in run(openjd, "check", str(folder / "template.yaml"))
    # The job is a part of the shot.
    assert f"--shot-frames={_first(FRAMES)}" in (folder / "template.yaml").read_text()
    said = _run_job(openjd, folder)
    assert "Chunks run: 3" in said
    # One server for all chunks of the session: started once, used by each, gone afterwards.
    assert said.count("openjd_env: CLEANPLATE_SERVER=") == 1 and " stopped" in said
    assert _server_is_gone(said)
    assert shot.results("smallest") == dict(sorted(truth.items())[:3])


def test_a_cut_gives_the_same_bytes_also_where_frames_follow_their_neighbours(
    openjd: str, bundle: Make, shot: FarmShot, truth: dict[str, str], server: LocalServer
) -> None:
    # The last frame's neighbour lies outside of what is wanted, and still counts.
    words = ("--frames", _first(4), "--temporal", "1")
    # The third frame's next one is in the other chunk, and the fourth is alone in its own.
    said = _run_job(openjd, bundle("openjd", "temporal", "--chunk", "3", *words))
    assert "Chunks run: 2" in said
    found = plain_run(shot, server, "temporal_whole", *words)
    assert shot.results("temporal") == found
    assert len(found) == 4 and not found.items() & truth.items()


def test_a_farm_runs_a_chunk_again_without_computing_it_again(
    openjd: str, bundle: Make, shot: FarmShot, truth: dict[str, str]
) -> None:
    folder = bundle("openjd", "again", "--chunk", "3")
    only = ("--tasks", json.dumps([{"Frame": f"{FIRST}-{FIRST + 2}"}]))
    _run_job(openjd, folder, *only)
    assert len(shot.results("again")) == 3
    said = _run_job(openjd, folder)
    # Each frame has its line; what a chunk says at its end does not count.
    assert "Chunks run: 3" in said and said.count(": already there") == 3
    assert shot.results("again") == truth


def test_a_frame_that_fails_fails_its_chunk_with_a_sentence(
    openjd: str, bundle: Make, shot: FarmShot, tmp_path: Path
) -> None:
    folder = bundle("openjd", "broken", "--chunk", "2")
    broken = tmp_path / "plates"
    broken.mkdir()
    for number in range(FRAMES):
        data = (shot.folder / f"plate.{FIRST + number}.exr").read_bytes()
        (broken / f"plate.{FIRST + number}.exr").write_bytes(data[: len(data) // 2] if number == 3 else data)
    said = _run_job(openjd, folder, "-p", f"Plate={broken}/plate.####.exr", ok=False)
    assert re.search(rf"openjd_fail: 1 of 2 frames failed; .*plate\.{FIRST + 3}\.exr cannot be read", said)
    assert " stopped" in said


def test_paths_are_mapped_to_the_workers(
    openjd: str, bundle: Make, shot: FarmShot, truth: dict[str, str], tmp_path: Path
) -> None:
    # One chunk, as it is more than the shot has.
    folder = bundle("openjd", "mapped", "--chunk", "50")
    (tmp_path / "worker").symlink_to(shot.folder)
    rules = {
        "version": "pathmapping-1.0",
        "path_mapping_rules": [
            {"source_path_format": "POSIX", "source_path": "/artist", "destination_path": str(tmp_path / "worker")}
        ],
    }
    parameters = yaml.safe_load((folder / "openjd_parameters.yaml").read_text())
    for name in ("Plate", "CleanPlate", "Output"):
        parameters[name] = parameters[name].replace(str(shot.folder), "/artist")
    (folder / "openjd_parameters.yaml").write_text(yaml.safe_dump(parameters))
    assert "Chunks run: 1" in _run_job(openjd, folder, "--path-mapping-rules", json.dumps(rules))
    assert shot.results("mapped") == truth


_MAP = """
import json, sys
from pathlib import PurePosixPath, PureWindowsPath
from openjd.sessions import PathFormat, PathMappingRule
rule = PathMappingRule(
    source_path_format=PathFormat.WINDOWS,
    source_path=PureWindowsPath(sys.argv[1]),
    destination_path=PurePosixPath(sys.argv[2]),
)
print(json.dumps([rule.apply(path=path) for path in json.loads(sys.argv[3])]))
"""


def test_paths_of_an_artists_windows_are_mapped_by_a_session(openjd: str, bundle: Make, shot: FarmShot) -> None:
    """Patterns too. ``openjd run`` cannot show it: it takes a Windows path for a relative one of this system."""
    folder = bundle("openjd", "from_windows")
    document = yaml.safe_load((folder / "template.yaml").read_text())
    paths = [each["name"] for each in document["parameterDefinitions"] if each["type"] == "PATH"]
    values = yaml.safe_load((folder / "openjd_parameters.yaml").read_text())
    here = [values[name] for name in paths]
    assert len(here) >= 3 and any("####" in path for path in here)
    artists = [path.replace(str(shot.folder), "V:\\shows\\sh010").replace("/", "\\") for path in here]
    python = Path(openjd).with_name("python")
    mapped = json.loads(run(str(python), "-c", _MAP, "V:\\shows\\sh010", str(shot.folder), json.dumps(artists)))
    assert mapped == [[True, path] for path in here]


@pytest.mark.parametrize(("host", "script"), [("nuke", "shot.nk"), ("blender", "shot.blend")])
def test_the_hosts_bundles_are_valid(openjd: str, tmp_path: Path, host: str, script: str) -> None:
    for name in (script, "cleanplate_node/bake.py", "solve_headless.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    words = ("--node", "Cleanplate1") if host == "nuke" else ()
    cleanplate("farm", "openjd", host, str(tmp_path / script), "--frames", "1-20", *words, "--plugin",
               str(tmp_path), "--bundle", str(tmp_path / "job"))  # fmt: skip
    assert "passes validation" in run(openjd, "check", str(tmp_path / "job" / "template.yaml"))
    said = run(openjd, "summary", str(tmp_path / "job/template.yaml"), "-p",
               f"file://{tmp_path / 'job/openjd_parameters.yaml'}")  # fmt: skip
    assert "Total tasks: 20" in said


def test_a_host_command_is_run_with_the_servers_address(openjd: str, tmp_path: Path) -> None:
    """What a bake gets: the program of the Host parameter, its frames, and the session's server."""
    job = FarmJob("host", (1, 2, 3), ("<host>", "-c", 'echo "$0 at $CLEANPLATE_SERVER"', "<frames>"), host="bash")
    folder = tmp_path / "job"
    folder.mkdir()
    plan = FarmPlan(cleanplate=CLEANPLATE, device="cpu")
    (folder / "template.yaml").write_text(yaml.safe_dump(template(job, plan)))
    said = run(openjd, "run", str(folder / "template.yaml"))
    assert re.search(r"1-3 at tcp://127\.0\.0\.1:\d+", said)


def test_a_server_that_cannot_start_fails_the_session_with_its_sentence(
    openjd: str, bundle: Make, shot: FarmShot
) -> None:
    said = _run_job(openjd, bundle("openjd", "nodevice"), "-p", "Device=cuda:99", ok=False)
    assert "no device 'cuda:99'" in said
    assert not shot.results("nodevice")


def test_a_resident_server_is_found_again_and_stopped_only_once(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = resident.start(state, ("--device", "cpu"))
    try:
        assert resident.start(state) == first
        # A process that merely has the same number is left alone.
        state.write_text(json.dumps({**vars(first), "token": "another"}))
        resident.stop(state)
        assert psutil.pid_exists(first.pid)
    finally:
        state.write_text(json.dumps(vars(first)))
        assert resident.stop(state) == first
    assert not psutil.pid_exists(first.pid) or psutil.Process(first.pid).status() == psutil.STATUS_ZOMBIE
    assert resident.stop(state) is None


@pytest.mark.parametrize("address", ["", "tcp://127.0.0.1:9"])
def test_a_state_file_that_cannot_be_written_is_one_sentence_before_a_server_is_started(
    address: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "locked").mkdir(mode=0o500)
    states = ["folder", "file/state.json", "folder/" + "n" * 300]
    for state in states if os.geteuid() == 0 else [*states, "locked/state.json"]:
        words = ["--state", str(tmp_path / state), *(["--server", address] if address else [])]
        done = subprocess.run([CLEANPLATE, "farm", "start", *words], capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("error (cannot_write): The state file") and done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "locked"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_session_that_is_cancelled_while_its_server_starts_leaves_no_server(
    number: signal.Signals, tmp_path: Path
) -> None:
    """The server outlives the command that starts it, and no state file named it yet."""
    with subprocess.Popen(
        [CLEANPLATE, "farm", "start", "--state", str(tmp_path / "state.json"), "--device", "cpu"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, number, signal.SIG_DFL),
    ) as command:
        started: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any("serve" in each.cmdline() for each in started):
            started = psutil.Process(command.pid).children()
            time.sleep(0.3)
        command.send_signal(number)
        _, said = command.communicate(timeout=60)
    assert command.returncode == 130 and said.startswith("error: Interrupted;") and said.count("\n") == 1
    assert started and psutil.wait_procs(started, timeout=20)[1] == []
    assert not (tmp_path / "state.json").exists()


def test_a_server_that_ends_without_a_word_is_told_by_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the system kills it for its memory: "It printed nothing" helped nobody."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(MatteError, match=r"^The matting server did not start: It ended with exit code 1\."):
        resident.start(tmp_path / "state.json")
    assert not (tmp_path / "state.json").exists()


@pytest.mark.parametrize("then", ["start", "stop"])
def test_a_server_whose_starter_was_killed_is_ended_by_the_next_command(then: str, tmp_path: Path) -> None:
    """It idled for half an hour with the models in memory, and the next session started another beside it."""
    state = tmp_path / "state.json"
    with subprocess.Popen(
        [CLEANPLATE, "farm", "start", "--state", str(state), "--device", "cpu"], stdout=subprocess.DEVNULL
    ) as command:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (left := resident.read(state)):
            time.sleep(0.05)
        command.kill()
    assert left and not left.address
    if then == "stop":
        assert cli(["farm", "stop", "--state", str(state)]) == 0
    else:
        assert resident.start(state, ("--device", "cpu")).address
    assert not psutil.pid_exists(left.pid) or psutil.Process(left.pid).status() == psutil.STATUS_ZOMBIE
    resident.stop(state)
    assert not state.exists()


def test_a_session_whose_server_was_killed_has_another_for_its_next_task(
    shot: FarmShot, truth: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Each task of the session waited for it for three minutes, and failed."""
    state = tmp_path / "state.json"
    assert cli(["farm", "start", "--state", str(state), "--device", "cpu"]) == 0
    for name, value in re.findall(r"^openjd_env: (\w+)=(.*)$", capsys.readouterr().out, re.MULTILINE):
        monkeypatch.setenv(name, value)
    try:
        killed = resident.read(state)
        assert killed
        psutil.Process(killed.pid).kill()
        psutil.wait_procs([psutil.Process(killed.pid)], timeout=10)
        words = ["--plate", shot.plate, "--clean", shot.clean, "--output", shot.output("revived")]
        assert cli(["farm", "task", *words, f"--frames={_first(2)}", "--options", '{"model": "difference"}']) == 0
        found = resident.read(state)
        assert found and found.pid != killed.pid and found.arguments == killed.arguments == ("--device", "cpu")
    finally:
        resident.stop(state)
    assert shot.results("revived") == dict(sorted(truth.items())[:2])
    assert not state.exists()


def test_a_task_does_not_wait_long_for_a_server_of_its_session_that_is_gone(
    shot: FarmShot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another could not be started, so that no state file says how: nobody will, for the rest of the session."""
    monkeypatch.setattr(task, "_OWN_PATIENCE_S", 0.2)
    monkeypatch.setenv(ADDRESS_VARIABLE, "tcp://127.0.0.1:9")
    monkeypatch.setenv(resident.STATE_VARIABLE, str(tmp_path / "state.json"))
    words = ["--plate", shot.plate, "--clean", shot.clean, "--output", shot.output("gone")]
    begun = time.monotonic()
    assert cli(["farm", "task", *words, f"--frames={_first(1)}", "--options", '{"model": "difference"}']) != 0
    # Far less than the three minutes for a server that somebody may start again.
    assert time.monotonic() - begun < 60
    assert "was started for this run has ended too early" in " ".join(capsys.readouterr())


def test_what_is_no_state_file_names_no_server(tmp_path: Path) -> None:
    """A pipe is not waited for, nor is a device read without end."""
    os.mkfifo(tmp_path / "pipe")
    for name, content in (
        ("empty", ""),
        ("list", "[]"),
        ("other", '{"port": 1}'),
        ("typed", '{"address": "a", "pid": "1"}'),
        ("deep", "[" * 20_000),
        ("cut", '{"address": "tcp://127.0.0.1:9", "pid'),
        ("negative", '{"address": "a", "pid": -1}'),
        ("truth", '{"address": "a", "pid": true}'),
    ):
        (tmp_path / name).write_text(content, "utf-8")
    for path in (*tmp_path.iterdir(), tmp_path, Path("/dev/zero")):
        assert resident.read(path) is None, path
        # A session that ends is told: the server that it had may hold its GPU for half an hour.
        with pytest.raises(MatteError, match=r"^The state file .* names no server .* for 30 minutes\.$"):
            resident.stop(path)
    assert resident.stop(tmp_path / "none") is None


def test_a_state_of_another_version_is_read_and_no_file_that_it_names_is_removed(tmp_path: Path) -> None:
    state, other = tmp_path / "state.json", tmp_path / "other"
    other.touch()
    state.write_text(json.dumps({"address": "tcp://127.0.0.1:9", "pid": 1, "keys": str(other), "since": 3.5}))
    assert resident.stop(state) == resident.ResidentServer(address="tcp://127.0.0.1:9", pid=1, keys=str(other))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_two_that_start_a_server_at_once_get_the_same_one(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: resident.start(state, ("--device", "cpu")), range(2))
    try:
        assert one == other == resident.read(state)
    finally:
        for pid in {one.pid, other.pid}:
            psutil.Process(pid).kill()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.json", "state.keys.json", "state.log"]


def test_a_state_that_a_full_disk_cuts_is_one_sentence(
    server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was "disk_error: No space left on device", of no file."""
    state = tmp_path / "state.json"
    with files_of_at_most(60):
        assert cli(["farm", "start", "--state", str(state), "--server", server.endpoint.address]) == 2
    (tmp_path / "state.log").mkdir()
    assert cli(["farm", "start", "--state", str(state), "--device", "cpu"]) == 2
    lines = capsys.readouterr().err.splitlines()
    reasons = (f"state file {state}", "File too large"), (f"log {tmp_path / 'state.log'}", "Is a directory")
    for said, (file, reason) in zip(lines, reasons, strict=True):
        assert said.startswith(f"error (cannot_write): The {file} cannot be written: ")
        assert f"{reason}. Name a file with --state" in said
    assert [path.name for path in tmp_path.iterdir()] == ["state.log"]


def test_a_shared_server_that_is_noted_touches_nothing_but_the_state_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log was emptied that a server of the session's own may be writing."""
    monkeypatch.setattr(resident, "_ANSWER_S", 0.3)  # nobody answers, however long one waits
    (tmp_path / "state.log").write_text("words")
    with pytest.raises(LinkError):
        resident.use_shared(tmp_path / "state.json", "tcp://127.0.0.1:9", "")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("state.log", "words")]


@pytest.mark.parametrize("text", ["[]", "null", "3", '""', "{", "[" * 20_000, '{"no": 1}', '{"temporal": 3}'])
def test_options_of_a_task_that_are_none_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A list was taken for no options."""
    words = ("--plate", "p.####.exr", "--clean", "c.exr", "--output", "m.####.exr", "--frames", "1-2")
    assert cli(["farm", "task", "--options", text, *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error (bad_option): --options") and said.count("\n") == 1, said
    assert len(said) < 450, "an unknown one is told the names of all"


def test_a_forgotten_server_stops_by_itself(tmp_path: Path) -> None:
    resident_ = resident.start(tmp_path / "state.json", ("--device", "cpu", "--stop-when-idle", "1"))
    process = psutil.Process(resident_.pid)
    deadline = time.monotonic() + 30
    while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.status() == psutil.STATUS_ZOMBIE


def test_a_cancelled_chunk_leaves_nothing_half_written(
    openjd: str, bundle: Make, shot: FarmShot, truth: dict[str, str], tmp_path: Path
) -> None:
    state = tmp_path / "state.json"
    server = resident.start(state, ("--device", "cpu"))
    try:
        task = subprocess.Popen(
            [CLEANPLATE, "farm", "task", "--plate", shot.plate, "--clean", shot.clean, "--output",
             shot.output("cancelled"), "--frames", _first(FRAMES), "--options", '{"model": "difference"}'],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, "CLEANPLATE_SERVER": server.address, "CLEANPLATE_KEYS": server.keys},
        )  # fmt: skip
        assert task.stdout and "done" in task.stdout.readline()
        task.send_signal(signal.SIGTERM)
        task.communicate(timeout=30)
        assert task.returncode == 130
    finally:
        resident.stop(state)
    left = shot.results("cancelled")
    assert left and left.items() <= truth.items()
    others = [path for path in (shot.folder / "cancelled").iterdir() if path.suffix != ".exr"]
    assert [path.name for path in others] == ["matte.platesolve.json"]
    assert json.loads(others[0].read_text(encoding="utf-8"))  # whole


@pytest.fixture
def farm_service() -> Iterator[dict[str, str]]:
    """What the deadline command asks its service before it makes a job, answered on loopback; the environment
    that sends it there. The command itself is the real one."""

    class FarmServiceHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind = self.path.split("?")[0].rsplit("/", 1)[-1]
            secrets = {"accessKeyId": "x", "secretAccessKey": "x", "sessionToken": "x"}
            answers = {
                "environments": {"environments": []},
                "user-roles": {"credentials": {**secrets, "expiration": "2099-01-01T00:00:00Z"}},
            }
            queue = {"displayName": "A queue", "farmId": _FARM, "queueId": _QUEUE, "status": "IDLE",
                     "defaultBudgetAction": "NONE", "createdAt": "2026-01-01T00:00:00Z", "createdBy": "x",
                     "jobAttachmentSettings": {"s3BucketName": "bucket", "rootPrefix": "root"}}  # fmt: skip
            body = json.dumps(answers.get(kind, queue)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Not worth a line."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), FarmServiceHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DEADLINE_CLOUD_TELEMETRY_OPT_OUT": "true",
    }
    server.shutdown()
    server.server_close()


_FARM, _QUEUE = f"farm-{'0' * 32}", f"queue-{'0' * 32}"


def test_deadline_takes_the_bundle_unchanged(
    deadline: str, bundle: Make, shot: FarmShot, tmp_path: Path, farm_service: dict[str, str]
) -> None:
    """Everything `deadline bundle submit` does but the upload: it reads template, values and assets, hashes
    every file, and writes down the call that it would make."""
    folder = bundle("openjd", "deadline", "--chunk", "4")
    (tmp_path / "home").mkdir()
    env = {**farm_service, "HOME": str(tmp_path / "home")}
    run(deadline, "bundle", "submit", str(folder), "--yes", "--farm-id", _FARM, "--queue-id", _QUEUE,
        "--known-asset-path", str(shot.folder), "--require-paths-exist",
        "--save-debug-snapshot", str(tmp_path / "snapshot"), env=env)  # fmt: skip
    call = json.loads((tmp_path / "snapshot" / "create_job_args.json").read_text())
    assert call["template"] == (folder / "template.yaml").read_text()
    assert call["parameters"]["ChunkSize"] == {"int": "4"}
    assert call["parameters"]["Plate"] == {"path": shot.plate}
    [manifest] = call["attachments"]["manifests"]
    assert Path(manifest["rootPath"], manifest["outputRelativeDirectories"][0]) == shot.folder / "deadline"
    data = list((tmp_path / "snapshot" / "Data").iterdir())
    # Plates repeat after some frames, and equal files are one.
    inputs = {path.read_bytes() for path in shot.folder.glob("*.exr")}
    assert {path.read_bytes() for path in data} == inputs


def test_a_shot_is_learnt_first_and_every_chunk_uses_what_was_learnt(
    openjd: str, bundle: Make, shot: FarmShot, tmp_path: Path
) -> None:
    key, learned = tmp_path / "key.exr", tmp_path / "take.learned"
    key.write_bytes(small_matte())
    more = ("--model", "cleanplate", "--learn", str(learned), "--key", f"{FIRST}={key}", "--steps", "2")
    folder = bundle("openjd", "learnt", "--frames", _first(4), "--chunk", "2", *more)
    assert "passes validation" in run(openjd, "check", str(folder / "template.yaml"))
    assert "Chunks run: 3" in _run_job(openjd, folder)  # one learns, two matte
    made = [exr.read_diagnostics(path) or {} for path in sorted((shot.folder / "learnt").glob("*.exr"))]
    makers = [Maker.from_dict(facts.get(MAKER)) for facts in made]
    assert [maker.weights for maker in makers if maker] == [file_digest(learned)] * 4
