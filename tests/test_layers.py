"""The house's walls, proved from the source: imports only run downwards, and each library has its own door."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

LINK = REPOSITORY / "shared" / "matte_link"
SERVER = REPOSITORY / "matte_server"
OURS = ("matte_link", "matte_server")


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "vendor" not in path.parts)


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, absolute: relative imports are resolved against its own package."""
    package = path.relative_to(REPOSITORY / "shared" if path.is_relative_to(LINK) else REPOSITORY).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def outsiders(path: Path) -> set[str]:
    """The libraries of others that a file imports."""
    return tops(path) - set(sys.stdlib_module_names) - set(OURS)


def users(library: str) -> set[str]:
    return {str(path.relative_to(SERVER)) for path in sources(SERVER) if library in tops(path)}


def test_the_rules_see_imports() -> None:
    """The reader itself: what the other tests stand on."""
    assert "zmq" in tops(LINK / "client.py")
    assert "matte_server.core.window.Window" in set(imported(SERVER / "core" / "image.py"))


def test_shared_is_a_source_root_not_a_package() -> None:
    assert not (REPOSITORY / "shared" / "__init__.py").exists()
    everything = [path for top in ("shared", "matte_server", "plugin_nuke", "plugin_blender", "tests")
                  for path in sources(REPOSITORY / top)]  # fmt: skip
    assert len(everything) > 100
    assert not [path for path in everything if "shared" in tops(path)]


@pytest.mark.parametrize("path", sources(LINK), ids=lambda path: path.name)
def test_matte_link_needs_only_python(path: Path) -> None:
    assert outsiders(path) <= ({"zmq"} if path.name == "client.py" else set())
    assert "matte_server" not in tops(path)
    # Nuke 14 runs Python 3.9: its grammar has no match, and no parenthesised with.
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def below(folder: str, allowed: tuple[str, ...], libraries: set[str]) -> list[str]:
    """What files of matte_server/``folder`` import beyond ``allowed`` of ours and ``libraries`` of others."""
    wrong = []
    for path in sources(SERVER / folder):
        wrong += [f"{path.name}: {name}" for name in outsiders(path) - libraries]
        own = [name for name in imported(path) if name.split(".")[0] in OURS]
        wrong += [f"{path.name}: {name}" for name in own if not name.startswith(allowed)]
    return wrong


def test_core_is_pure() -> None:
    assert below("core", ("matte_server.core",), {"numpy", "cv2"}) == []
    touching = {"logging", "socket", "subprocess", "os", "pathlib", "threading", "shutil", "tempfile"}
    assert not [path.name for path in sources(SERVER / "core") if tops(path) & touching]


def test_pixels_know_core_and_torch() -> None:
    assert below("pixels", ("matte_server.core", "matte_server.pixels"), {"torch", "numpy"}) == []


def test_networks_are_torch_alone() -> None:
    assert below("models/networks", ("matte_server.models.networks",), {"torch"}) == []


def test_each_library_has_its_own_door() -> None:
    assert users("OpenImageIO") <= {"exr.py", "colour.py"}
    assert users("OpenEXR") <= {"exr_planes.py", "luma_chroma.py"}
    assert users("av") <= {"media.py", "video_writer.py"}
    assert users("zmq") <= {"transport.py", "server.py", "keys.py"}


def test_nothing_unpickles() -> None:
    readers = [path for path in [*sources(SERVER), *sources(LINK)] if {"pickle", "marshal", "shelve"} & tops(path)]
    assert readers == []


@pytest.mark.parametrize("plugin", ["plugin_nuke", "plugin_blender"])
def test_plugins_stand_on_matte_link_alone(plugin: str) -> None:
    hosts = {"plugin_nuke": {"nuke", "nukescripts"}, "plugin_blender": {"bpy", "bpy_extras", "bl_ext"}}[plugin]
    files = sources(REPOSITORY / plugin)
    # A script's own folder is a place that it imports from.
    own = {plugin, "matte"} | {path.stem for path in files if path.parent == REPOSITORY / plugin}
    for path in files:
        assert "matte_server" not in tops(path), path
        assert outsiders(path) - hosts - own - {"zmq"} == set(), path


def test_the_server_knows_no_host() -> None:
    hosts = {"nuke", "plugin_nuke", "plugin_blender"}
    assert not [path for path in sources(SERVER) if tops(path) & hosts]
