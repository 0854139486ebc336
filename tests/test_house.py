"""The house's measures, proved from the source: one name for one thing, files and functions that fit on a page."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.conftest import REPOSITORY

PRODUCTION = ("shared", "matte_server", "plugin_nuke", "plugin_blender")
FAKE_NUKE = REPOSITORY / "tests" / "plugin_nuke" / "fake_nuke"
"""Stands in for Nuke, so its names are Nuke's."""
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
MEDIAN_FUNCTION = 8
LONG_FUNCTION = 25
"""Lines below which 95 % of the functions stay."""


def sources(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))
    return sorted(path for path in found if "vendor" not in path.parts and not path.is_relative_to(FAKE_NUKE))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def function_lengths() -> dict[str, int]:
    """Lines of every function of the product, by where it stands."""
    return {
        f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno)
        - node.lineno
        + 1
        for path in sources(*PRODUCTION)
        for node in nodes(path)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_a_class_name_stands_in_one_file() -> None:
    """Read by lines, those of program listings too: to parse a thousand files takes three seconds."""
    files = defaultdict(set)
    for path in sources(*PRODUCTION, "tests"):
        for name in re.findall(r"^ *class (\w+)[(:]", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            files[name].add(str(path.relative_to(REPOSITORY)))
    assert len(files) > 200, "the reader itself: it sees classes"
    assert {name: sorted(where) for name, where in files.items() if len(where) > 1} == {}


def test_files_fit_in_the_head() -> None:
    lengths = {
        str(path.relative_to(REPOSITORY)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*PRODUCTION)
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def first_line_is_whole(text: str) -> bool:
    return not text.startswith('"""') or text.partition("\n")[0].rstrip('"').endswith(".")


def test_the_first_line_of_a_module_says_what_it_is_for() -> None:
    """The map has a reader find a file by ``head -1``: 64 first lines ended in the middle of a sentence."""
    assert first_line_is_whole('"""Reads it."""\n') and not first_line_is_whole('"""Reads it, and\nwrites it."""\n')
    texts = {str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8") for path in sources(*PRODUCTION)}
    assert [path for path, text in texts.items() if not first_line_is_whole(text)] == []


def test_functions_are_small() -> None:
    lengths = function_lengths()
    ordered = sorted(lengths.values())
    assert {name: length for name, length in lengths.items() if length >= LONGEST_FUNCTION} == {}
    assert median(ordered) < MEDIAN_FUNCTION
    assert ordered[int(0.95 * len(ordered))] < LONG_FUNCTION


MAP = (REPOSITORY / "matte_server" / "README.md", REPOSITORY / "matte_server" / "docs" / "INSIDE.md")
"""The map and the page behind it."""
_NOT_OURS = {"pyproject.toml", "OUT.platesolve.json"}
"""Files of a reader's own that the map names."""


def map_text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in MAP)


def files_named(text: str) -> set[str]:
    """The file names between backticks, those of program listings left out."""
    without_listings = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r"`([\w./]+\.(?:py|md|sh|json|toml))`", without_listings)) - _NOT_OURS


def modules_in_pictures(text: str) -> set[str]:
    """Modules as the map's pictures name them: a room and a module in it, such as ``worker/loop``."""
    rooms = "|".join(sorted(path.parent.name for path in (REPOSITORY / "matte_server").glob("*/__init__.py")))
    pictures = "".join(re.findall(r"^```\n.*?^```$", text, flags=re.DOTALL | re.MULTILINE))
    return {f"{name}.py" for name in re.findall(rf"\b(?:(?:{rooms}|matte_link)/\w+)\b(?!/|\.)", pictures)}


def functions_named(text: str) -> set[str]:
    """Functions between backticks, as ``module.function()`` or ``module.Class.method()``."""
    return set(re.findall(r"`(\w+(?:\.\w+)+)\(\)`", text))


def functions_of(stems: set[str]) -> set[str]:
    """The functions and methods of the product's modules of these names, as :func:`functions_named` has them."""
    found = set()
    for path in (path for path in sources(*PRODUCTION) if path.stem in stems):
        for top in ast.parse(path.read_text(encoding="utf-8")).body:
            inside = top.body if isinstance(top, ast.ClassDef) else [top]
            owner = f"{path.stem}.{top.name}" if isinstance(top, ast.ClassDef) else path.stem
            found |= {f"{owner}.{node.name}" for node in inside if isinstance(node, ast.FunctionDef)}
    return found


def threads_started(path: Path) -> set[str]:
    """The names that a source file gives to its threads, without their numbers."""
    found: set[str] = set()
    # Most files start none, and parsing all of them takes seconds.
    has_threads = re.search(r"\bThread\b|ThreadPoolExecutor\(", path.read_text(encoding="utf-8"))
    for call in nodes(path) if has_threads else ():
        if not isinstance(call, ast.Call):
            continue
        function = ast.unparse(call.func)
        names = call.args[1:2] if function.endswith("ThreadPoolExecutor") else []
        if function in ("threading.Thread", "super().__init__"):
            names = [word.value for word in call.keywords if word.arg == "name"]
        found |= {re.split(r"[{']", ast.unparse(name).lstrip("f'"))[0] for name in names}
    return found


def test_every_file_on_the_map_exists() -> None:
    text = map_text()
    named = files_named(text) | modules_in_pictures(text)
    assert len(named) > 60, "the reader itself: it sees names"
    there = {
        f"/{path.relative_to(REPOSITORY)}"
        for top in (*PRODUCTION, "tests")
        for path in (REPOSITORY / top).rglob("*.*")
    }
    assert {name for name in named if not any(path.endswith(f"/{name}") for path in there)} == set()


def test_every_function_on_the_map_exists() -> None:
    named = functions_named(map_text())
    assert len(named) > 25, "the reader itself: it sees functions"
    assert named - functions_of({name.partition(".")[0] for name in named}) == set()


def test_every_named_thread_is_on_the_map() -> None:
    started = {name for path in sources(*PRODUCTION) for name in threads_started(path)}
    assert {"cleanplate-job", "reader", "worker-", "worker-commands"} <= started, (
        "the reader itself: it sees threads"
    )
    text = map_text()
    assert {name for name in started if f'"{name}' not in text and f"({name}" not in text} == set()


def prose_too_wide(text: str) -> list[int]:
    """Numbers of the lines over 120 columns, tables left out, whose rows have to be one line."""
    lines = enumerate(text.splitlines(), 1)
    return [number for number, line in lines if len(line) > 120 and not line.lstrip().startswith("|")]


def test_documents_fit_in_a_window() -> None:
    """120 columns, as CONTRIBUTING has it."""
    assert prose_too_wide(f"{120 * 'x'}\n{121 * 'x'}\n| {120 * 'x'} |") == [2]
    below = (path for top in (*PRODUCTION, "tests") for path in (REPOSITORY / top).rglob("*.md"))
    documents = [path.relative_to(REPOSITORY) for path in (*REPOSITORY.glob("*.md"), *below)]
    assert {"README.md", "CHANGELOG.md"} < {str(path) for path in documents}
    wide = {path: prose_too_wide((REPOSITORY / path).read_text(encoding="utf-8")) for path in documents}
    assert {str(path): numbers for path, numbers in wide.items() if numbers} == {}
