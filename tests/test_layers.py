"""The house's walls, proved from the source: imports only run downwards, and each library has its own door."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from .conftest import REPOSITORY

SHARED = REPOSITORY / "shared"
LINK = SHARED / "matte_link"
SERVER = REPOSITORY / "matte_server"
OURS = ("matte_link", "matte_server")


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "vendor" not in path.parts)


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, absolute: relative imports are resolved against its own package."""
    package = path.relative_to(SHARED if path.is_relative_to(SHARED) else REPOSITORY).parts[:-1]
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            found += [f"{module}.{alias.name}" for alias in node.names]
    return tuple(found)


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def outsiders(path: Path) -> set[str]:
    """The libraries of others that a file imports."""
    return tops(path) - set(sys.stdlib_module_names) - set(OURS)


def users(library: str) -> set[str]:
    return {str(path.relative_to(SERVER)) for path in sources(SERVER) if library in tops(path)}


def test_the_rules_see_imports() -> None:
    """The reader itself: what the other tests stand on."""
    assert "zmq" in tops(LINK / "connection.py")
    assert "matte_server.core.window.Window" in set(imported(SERVER / "core" / "image.py"))


def test_shared_is_a_source_root_not_a_package() -> None:
    assert not (REPOSITORY / "shared" / "__init__.py").exists()
    everything = [path for top in ("shared", "matte_server", "plugin_nuke", "plugin_blender", "tests")
                  for path in sources(REPOSITORY / top)]  # fmt: skip
    assert len(everything) > 100
    names_it = re.compile(r"^\s*(?:from|import) shared\b", re.MULTILINE)
    assert names_it.search("if True:\n    from shared import x")
    assert not [path for path in everything if names_it.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", sources(LINK), ids=lambda path: path.name)
def test_matte_link_needs_only_python(path: Path) -> None:
    assert outsiders(path) <= ({"zmq"} if path.name == "connection.py" else set())
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


# The rooms of matte_server from the ground up. Rooms on one floor do not know each other.
FLOORS = (
    {"errors"},
    {"core"},
    {"pixels"},
    {"models", "io"},
    {"frame"},
    {"learning"},
    {"worker"},
    {"server"},
    {"shots"},
    {"review", "evaluation"},
    {"farm", "demo"},
    {"cli", "training"},
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}


def test_nobody_knows_the_python_interface() -> None:
    everything = [path for top in ("shared/matte_link", "matte_server", "plugin_nuke", "plugin_blender")
                  for path in sources(REPOSITORY / top)]  # fmt: skip
    assert [path for path in everything if "cleanplate" in tops(path)] == []


def room_of(path: Path) -> str:
    """The folder of matte_server that a file lies in, or its own name where it lies in none."""
    return path.relative_to(SERVER).parts[0].removesuffix(".py")


def rooms_imported(path: Path) -> set[str]:
    """The other rooms of matte_server that a file knows, imports inside functions included."""
    ours = (name.split(".") for name in imported(path) if name.startswith("matte_server."))
    return {parts[1] for parts in ours} - {room_of(path)}


def test_every_room_is_on_a_floor_and_says_who_may_enter() -> None:
    folders = {path.parent.name for path in SERVER.glob("*/__init__.py")}
    assert folders | {"errors"} == set(FLOOR_OF)
    for folder in folders:
        words = ast.get_docstring(ast.parse((SERVER / folder / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert "import" in words and len(words.splitlines()) >= 3, folder


@pytest.mark.parametrize("room", sorted(FLOOR_OF))
def test_imports_run_downwards(room: str) -> None:
    place = SERVER / room
    files = sources(place) if place.is_dir() else [place.with_suffix(".py")]
    upwards = {
        f"{path.relative_to(SERVER)} -> {other}"
        for path in files
        for other in rooms_imported(path)
        if FLOOR_OF[other] >= FLOOR_OF[room]
    }
    assert upwards == set()


def module_of(path: Path) -> str:
    root = SHARED if path.is_relative_to(SHARED) else REPOSITORY
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def import_graph(folders: list[Path]) -> dict[str, set[str]]:
    """Module -> the modules of ours that it imports, wherever in the file."""
    paths = {module_of(path): path for folder in folders for path in sources(folder)}

    def known(name: str) -> str:
        """The module that is named, or whose attribute is."""
        return next((each for each in (name, name.rpartition(".")[0]) if each in paths), "")

    return {module: {known(name) for name in imported(path)} - {"", module} for module, path in paths.items()}


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """A path of modules that comes back to where it began; empty where there is none."""
    done: set[str] = set()
    trail: list[str] = []

    def visit(module: str) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return []
        trail.append(module)
        found = next((circle for other in sorted(graph[module]) if (circle := visit(other))), [])
        trail.pop()
        done.add(module)
        return found

    return next((circle for module in sorted(graph) if (circle := visit(module))), [])


def test_the_search_for_circles_finds_one() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("package", ["shared/matte_link", "matte_server", "plugin_nuke", "plugin_blender"])
def test_no_module_reaches_itself(package: str) -> None:
    assert circle_in(import_graph([REPOSITORY / package])) == []


def test_core_is_pure() -> None:
    assert below("core", ("matte_server.core",), {"numpy", "cv2"}) == []
    touching = {"logging", "socket", "subprocess", "os", "pathlib", "threading", "shutil", "tempfile"}
    assert not [path.name for path in sources(SERVER / "core") if tops(path) & touching]


def test_pixels_know_core_and_torch() -> None:
    assert below("pixels", ("matte_server.core", "matte_server.pixels"), {"torch", "numpy"}) == []


def test_networks_are_torch_alone() -> None:
    assert below("models/networks", ("matte_server.models.networks",), {"torch"}) == []


def test_each_library_has_its_own_door() -> None:
    doors = {f"io/image_{part}.py" for part in ("check", "facts", "reader", "writer")}
    stills = ("file_colour", "refused_stills", "still_attributes")
    others = {f"io/{name}.py" for name in ("exr", "exr_reader", "colour", *stills)}
    assert users("OpenImageIO") <= doors | others
    assert users("OpenEXR") <= {"io/exr_planes.py"}
    videos = ("deinterlace", "display_matrix", "media", "video_decoder", "video_writer")
    assert users("av") <= {f"io/{name}.py" for name in videos}
    assert users("zmq") <= {f"server/{name}.py" for name in ("connections", "keys", "serve", "transport")}


def test_the_broker_and_the_command_line_start_without_torch() -> None:
    """torch takes seconds and hundreds of megabytes: only what computes imports it, or a function that needs it."""
    code = "import sys, matte_server.cli.main, matte_server.server.serve; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_unpickles() -> None:
    readers = [path for path in [*sources(SERVER), *sources(LINK)] if {"pickle", "marshal", "shelve"} & tops(path)]
    assert readers == []


@pytest.mark.parametrize("plugin", ["plugin_nuke", "plugin_blender"])
def test_plugins_stand_on_matte_link_alone(plugin: str) -> None:
    hosts = {
        "plugin_nuke": {"nuke", "nukescripts"},
        "plugin_blender": {"bpy", "bpy_extras", "bl_ext", "mathutils", "numpy"},
    }[plugin]
    files = sources(REPOSITORY / plugin)
    # A script's own folder is a place that it imports from.
    own = {plugin, "matte", "cleanplate_node"} | {path.stem for path in files if path.parent == REPOSITORY / plugin}
    for path in files:
        assert "matte_server" not in tops(path), path
        assert outsiders(path) - hosts - own - {"zmq"} == set(), path


def test_the_server_knows_no_host() -> None:
    hosts = {"nuke", "plugin_nuke", "plugin_blender"}
    assert not [path for path in sources(SERVER) if tops(path) & hosts]
