"""A server of one's own: any user of the machine can connect to it, but only whoever started it is answered."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from matte_link import port_owner
from matte_link.client import MatteClient
from matte_link.endpoint import ADDRESS_VARIABLE, Endpoint
from matte_link.errors import LinkError, RemoteError
from matte_link.messages import Matte, OnDisk
from matte_link.options import MatteOptions

from matte_server.errors import MatteError
from matte_server.farm import resident
from matte_server.server import keys, local_server
from matte_server.server.local_server import PRIVATE, LocalServer, server_for
from tests.matte_server.server.conftest import Pictures

Make = Callable[..., Matte]
_CONFIG = """ocio_profile_version: 2
roles: {default: lin_rec709, scene_linear: lin_rec709}
file_rules: [!<Rule> {name: Default, colorspace: default}]
displays: {s: [!<View> {name: v, colorspace: lin_rec709}]}
active_displays: []
active_views: []
colorspaces:
  - !<ColorSpace> {name: lin_rec709, family: '', isdata: false}
"""


def _reach(endpoint: Endpoint) -> str:
    with MatteClient(endpoint) as client:
        try:
            return client.ping(2.0).version
        except LinkError as error:
            return error.code


@pytest.fixture
def shots(tmp_path: Path, pictures: Pictures) -> Path:
    folder = tmp_path / "shots"
    folder.mkdir()
    (folder / "plate.exr").write_bytes(pictures.plate)
    (folder / "clean.exr").write_bytes(pictures.clean)
    (folder / "mine.ocio").write_text(_CONFIG)
    return folder


@pytest.fixture
def own(shots: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """What ``cleanplate matte --ocio-config mine.ocio`` starts."""
    # Where nobody answers: at the default address somebody may.
    monkeypatch.setenv(ADDRESS_VARIABLE, "tcp://127.0.0.1:9")
    monkeypatch.setattr(local_server, "_NAMED_S", 0.2)
    with server_for("", files=[shots / "mine.ocio"]) as endpoint:
        yield endpoint


def test_whoever_has_its_keys_takes_it_whoever_runs_it(own: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE)
    monkeypatch.setattr(local_server, "endpoint_of", lambda *named: own)
    monkeypatch.setattr(port_owner, "is_another_users", lambda address: True)
    with server_for("") as found:
        assert found == own


def test_nobody_else_is_answered(own: Endpoint, tmp_path: Path) -> None:
    assert own.encrypted and own.is_loopback
    assert _reach(own)[0].isdigit()
    stranger = keys.private_keys().client
    for endpoint in (
        Endpoint(own.address),
        Endpoint.with_keys(own.address, stranger),
        # The server's public key may be known; it lets nobody in.
        Endpoint.with_keys(own.address, {**stranger, "server": own.server_key}),
    ):
        assert _reach(endpoint) == "unavailable"


def test_an_implied_file_may_be_read_and_nothing_beside_it(own: Endpoint, shots: Path, request_for: Make) -> None:
    config = MatteOptions(model="difference", ocio_config=str(shots / "mine.ocio"), colourspace="lin_rec709")
    with MatteClient(own) as client:
        assert client.matte(request_for(options=config)).data
        for changes in (
            {"plate": OnDisk(str(shots / "plate.exr"))},
            {"output": str(shots / "plate.exr")},
            {"output": str(shots / "mine.ocio")},
            {"options": MatteOptions(ocio_config=str(shots / "other.ocio"))},
            {"options": MatteOptions(model="v2", weights=str(shots / "plate.exr"))},
        ):
            with pytest.raises(RemoteError) as caught:
                client.matte(request_for(**changes))
            assert caught.value.code == "path_refused", changes
    assert sorted(path.name for path in shots.iterdir()) == ["clean.exr", "mine.ocio", "plate.exr"]


def test_a_farms_own_server_is_the_sessions_alone(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    server = resident.start(state, ("--device", "cpu"))
    try:
        assert _reach(Endpoint.resolve(server.address, server.keys, {}))[0].isdigit()
        assert _reach(Endpoint(server.address)) == "unavailable"
        if sys.platform != "win32":
            assert stat.S_IMODE(Path(server.keys).stat().st_mode) == 0o600
    finally:
        resident.stop(state)
    assert [path.name for path in tmp_path.iterdir()] == ["state.log"]


def test_private_and_listed_keys_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(MatteError, match="Leave out --private or --keys"):
        LocalServer([PRIVATE, "--keys", str(tmp_path)]).start()
