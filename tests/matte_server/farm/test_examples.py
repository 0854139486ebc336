"""The systemd unit and the container file say what the command line takes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from matte_server import farm
from matte_server.cli.main import parser

EXAMPLES = Path(farm.__file__).with_name("examples")


def _unit() -> str:
    return (EXAMPLES / "cleanplate.service").read_text()


def test_the_units_command_is_one_of_ours() -> None:
    command = re.search(r"^ExecStart=((?:.*\\\n)*.*)$", _unit(), re.MULTILINE)
    assert command
    program, *words = shlex.split(command.group(1).replace("\\\n", " "))
    parsed = parser().parse_args(words)
    assert Path(program).name == "cleanplate" and parsed.metrics == "127.0.0.1:9560" and parsed.log == "json"


def test_the_containers_command_is_one_of_ours_and_has_keys() -> None:
    text = (EXAMPLES / "Containerfile").read_text()
    words = [*json.loads(re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[0]),
             *json.loads(re.findall(r"^CMD (.*)$", text, re.MULTILINE)[0])]  # fmt: skip
    parsed = parser().parse_args(words[1:])
    assert parsed.bind == "tcp://0.0.0.0:5560" and parsed.keys == Path("/keys")
    # Whatever is copied into the image is in the checkout.
    for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE):
        assert all((EXAMPLES.parents[2] / name).exists() for name in line.split()[:-1])


def test_the_unit_is_exposed_little_and_does_not_repeat_a_wrong_argument(tmp_path: Path) -> None:
    assert "RestartPreventExitStatus=2" in _unit() and "Restart=always" not in _unit()
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    # systemd's own measure, 0 to 10, in tenths: below 3.
    check = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--threshold=29",
        str(EXAMPLES / "cleanplate.service"),
    ]
    assert subprocess.run(check, capture_output=True).returncode == 0


def test_the_image_keeps_its_health_check_and_is_built_from_a_lock() -> None:
    text = (EXAMPLES / "Containerfile").read_text()
    assert "HEALTHCHECK" in text and "--format docker" in text
    assert "--require-hashes -r /usr/local/share/cleanplate/requirements.lock" in text
    ignored = (EXAMPLES.parents[2] / ".dockerignore").read_text().split()
    # Everything is left out but what the image copies.
    assert ignored[0] == "*" and {"!pyproject.toml", "!shared", "!matte_server"} <= set(ignored)


def test_a_linter_takes_the_container_file() -> None:
    # A package of ours for development: where its folder is not in PATH, it lies beside Python.
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if not (hadolint := shutil.which("hadolint", path=places)):
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(EXAMPLES / "Containerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "cleanplate.service"
    unit.write_text(_unit().replace("/opt/cleanplate/bin/cleanplate", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert done.returncode == 0 and "cleanplate.service" not in done.stderr, done.stderr
