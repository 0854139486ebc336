"""What messages check of themselves, and that they are built by keyword everywhere."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TypeGuard

import matte_link
import pytest
from matte_link.messages import LARGEST_SEED, Cancel, Digest, Inline, Matte, OnDisk, Pong, Store, digest_of, new_id
from matte_link.plain_text import MappingLimits, check_mapping
from matte_link.wire import _TYPES

from tests.conftest import REPOSITORY

FOLDERS = ("shared", "matte_server", "plugin_nuke", "plugin_blender", "tests")
EXR_DIGEST = "973a49dcd8f4f96935e3fb36cd541294904119a02fc77d67318d517d7a204a4c"
"""As `printf exr | b2sum -l 256` prints it."""


def dataclasses_of_the_package() -> set[type]:
    modules = [
        importlib.import_module(f"matte_link.{each.name}") for each in pkgutil.iter_modules(matte_link.__path__)
    ]
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {each for each in classes if is_dataclass(each)}


MANY_FIELDS = {each.__name__ for each in dataclasses_of_the_package() if len(fields(each)) > 2}
"""Messages, and what jobs, keys and options are made of."""


def positional(source: str) -> Iterator[tuple[int, str]]:
    """Line and class of each call that passes more than the first field of a :data:`MANY_FIELDS` class by place."""
    nodes = list(ast.walk(ast.parse(source)))
    # Another library's class may have the same name, such as the Progress of rich.
    foreign = {alias.name for node in nodes if is_foreign_import(node) for alias in node.names}
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = node.args
        if name == "builds" and words:
            # hypothesis.strategies.builds(Class, ...) builds as Class(...) does.
            name, words = getattr(words[0], "id", ""), words[1:]
        if name in MANY_FIELDS - foreign and (
            len(words) > 1 or any(isinstance(word, ast.Starred) for word in words)
        ):
            yield node.lineno, name


def is_foreign_import(node: ast.AST) -> TypeGuard[ast.ImportFrom]:
    return isinstance(node, ast.ImportFrom) and not node.level and "matte_link" not in (node.module or "")


def test_the_search_sees_every_message_and_every_way_to_build_one() -> None:
    wide = {kind.__name__ for kind in _TYPES.values() if len(fields(kind)) > 2}
    assert wide and wide <= MANY_FIELDS
    wrong = (
        "Failure('a', 'busy', 'Full.')",
        "messages.Failure('a', 'busy', message='Full.')",
        "Failure(*all)",
        "st.builds(Failure, a, b, c)",
    )
    for source in wrong:
        assert [name for _, name in positional(source)] == ["Failure"], source
    right = (
        "Failure('a', code='busy', message='Full.')",
        "Failure(**all)",
        "Ping('a')",
        "st.builds(Failure, a, code=b)",
        "from rich.progress import Progress; Progress(a, b)",
    )
    assert not [source for source in right if list(positional(source))]


@pytest.mark.parametrize("folder", FOLDERS)
def test_messages_are_built_by_keyword(folder: str) -> None:
    """Python 3.9 has no keyword-only dataclasses, and a field put in between would shift the others silently."""
    found = [
        f"{path.relative_to(REPOSITORY)}:{line} {name}"
        for path in sorted(Path(REPOSITORY, folder).rglob("*.py"))
        for line, name in positional(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_nothing_that_is_passed_on_can_be_changed() -> None:
    """Messages, tasks, events and options cross threads; what a class keeps for itself is private."""
    changeable = [
        each.__name__
        for each in dataclasses_of_the_package()
        if not each.__name__.startswith("_") and not each.__dict__["__dataclass_params__"].frozen
    ]
    assert changeable == []


@pytest.mark.parametrize("bad", ["", "a b", "a" * 81, "a\n", "ä", 1])
def test_an_id_that_cannot_travel_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="a request id is 1 to 80 letters"):
        Matte(bad, frame=1, plate=Inline(b""), clean_plate=Inline(b""))
    with pytest.raises(ValueError, match="a request id is"):
        Cancel(id="a", target=bad)


def test_ids_are_valid_and_each_is_new() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    for name in ids:
        Cancel(id=name, target=name)


@pytest.mark.parametrize("bad", ["", "0a" * 31, "0A" * 32, "0a" * 32 + "\n", "../" * 21 + "a"])
def test_a_digest_of_another_form_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="a digest is 64 lower-case hexadecimal digits"):
        Digest(bad)
    with pytest.raises(ValueError, match="a digest is"):
        Store("a", digest=bad, data=b"")


def test_names_and_paths_do_not_act_on_a_terminal() -> None:
    name = "\x1b[2J\n" + 300 * "x" + ".exr"
    for named in (Inline(b"", name), Store("a", digest=EXR_DIGEST, data=b"", name=name)):
        assert named.name == 251 * "x" + ".exr"
    assert Inline(b"", "a\x1b\nb.exr").name == "a\\x1b b.exr"
    for path in ("/a\x1b.exr", "/a\x7f.exr", "/a\x9f.exr", "/a\n.exr"):
        with pytest.raises(ValueError, match="a path contains control characters"):
            OnDisk(path)
    assert OnDisk("/a~\xa0.exr").path == "/a~\xa0.exr"


def test_a_mapping_has_65536_characters_of_text_by_default() -> None:
    assert MappingLimits() == MappingLimits(depth=16, values=20_000, text=65_536)
    check_mapping({"note": "x" * 65_530}, "hints", MappingLimits())
    with pytest.raises(ValueError, match="hints has more than 20000 values, or 65536 characters of text"):
        check_mapping({"note": "x" * 65_537}, "hints", MappingLimits())


def test_a_seed_fits_32_bits_with_a_sign() -> None:
    assert LARGEST_SEED == 2**31 - 1


def test_a_digest_is_blake2b_of_the_bytes() -> None:
    assert digest_of(b"exr") == digest_of(memoryview(b"exr")) == EXR_DIGEST


def test_an_unknown_priority_is_refused() -> None:
    with pytest.raises(ValueError, match="priority must be one of interactive, batch, not 'urgent'"):
        Matte("a", frame=1, plate=OnDisk("/p.exr"), clean_plate=OnDisk("/c.exr"), priority="urgent")


def test_a_server_that_is_starting_is_said_to_be() -> None:
    answer = Pong(id=new_id(), version="1.2", wire=1)
    assert answer.sentence("tcp://farm:5560") == "Cleanplate 1.2 answers at tcp://farm:5560, and is starting."
    ready = replace(answer, models=("difference", "v2"))
    assert ready.sentence("tcp://farm:5560") == "Cleanplate 1.2 answers at tcp://farm:5560: difference, v2."
