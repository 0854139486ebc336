"""Which files that clients name a worker opens and writes, and what it opens when a name changes under it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from matte_server.errors import MatteError
from matte_server.worker import named_files
from matte_server.worker.named_files import NamedFiles

linux = pytest.mark.skipif(sys.platform != "linux", reason="what was opened is known by /proc")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots" / "p.exr").write_bytes(b"picture")
    (tmp_path / "secret.exr").write_bytes(b"secret")
    return tmp_path / "shots"


def code_of(files: NamedFiles, path: str | Path) -> str:
    """How opening the file fails; empty where it is opened."""
    try:
        with files.opened(str(path)) as opened:
            assert opened.read_bytes() == b"picture"
    except MatteError as error:
        assert str(path)[:40] in error.message
        return error.code
    return ""


def test_files_are_opened_inside_the_roots_only(root: Path) -> None:
    files = NamedFiles((root,))
    assert code_of(files, root / "p.exr") == ""
    (root / "link.exr").symlink_to(root / "p.exr")
    (root / "out.exr").symlink_to(root.parent / "secret.exr")
    (root / "up").symlink_to(root.parent)
    # A folder whose name only begins like the root's is another folder.
    (root.parent / "shots2").mkdir()
    assert code_of(files, root / "link.exr") == ""
    for path in ("out.exr", "up/secret.exr", "../secret.exr", "://../../secret.exr", "../shots2/p.exr"):
        assert code_of(files, f"{root}/{path}") == "path_refused", path
    elsewhere = ["/proc/self/fd/0", "/dev/stdin", "//server/share/p.exr"]
    for path in ("p.exr", "ocio://../p.exr", f"file://{root}/p.exr", "~/p.exr", *elsewhere):
        assert code_of(files, path) == "path_refused", path
    # No other spelling of a name is that name.
    for path in ("%70.exr", "\N{CYRILLIC SMALL LETTER ER}.exr", "..%2fsecret.exr"):
        assert code_of(files, root / path) == "missing_file", path
    for path in ("\ud800.exr", "a/\udfff/p.exr") if sys.platform != "win32" else ():
        # Half of a surrogate pair; what a name on disk has instead of bytes that are no UTF-8 is another half.
        with pytest.raises(MatteError, match="is not an absolute path"):
            files.check(f"{root}/{path}")
    assert sys.platform == "win32" or code_of(files, f"{root}/caf\udce9.exr") == "missing_file"
    with pytest.raises(MatteError, match="was started without folders"):
        NamedFiles(()).check(str(root / "p.exr"))


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("a b", "a  b"), ("a#b", "a"), ("100%", "100"), ("a%20b", "a b"), ("n\u00e4h", "na\u0308h"),
        ("a:b", "a"), ("-x", "x"), ("a'b\"c", "abc"), ("[x]", "x"), ("*", "y"), ("?", "y"), ("~", "root"),
        ("$HOME", "HOME"), ("..a", "a"), ("a..", "a"), ("shot", "Shot"), ("shot", "sh\u043et"), ("k", "\u212a"),
        ("\ufb01lm", "film"), ("caf\udce9", "caf\u00e9"), ("a\u200bb", "ab"), ("file:", "file"), ("a\\b", "b"),
        ("\u202egnp", "gnp"), ("x" * 200, "x" * 199),
    ],
)  # fmt: skip
def test_a_roots_odd_name_is_that_name_and_no_other(tmp_path: Path, name: str, other: str) -> None:
    """Nothing in it is a pattern, a scheme, an escape or a home, and what looks like it is another folder."""
    root, beside = tmp_path / name, tmp_path / other
    for folder, content in ((root, b"picture"), (beside, b"secret")):
        folder.mkdir(exist_ok=True, parents=True)
        (folder / "p.exr").write_bytes(content)
    files = NamedFiles((root.resolve(),))
    assert files.check(str(root / "p.exr")) == root / "p.exr"
    with files.opened(str(root / "p.exr")) as opened:
        assert opened.read_bytes() == b"picture"
    for path in (beside / "p.exr", root / ".." / other / "p.exr", root / ".." / "p.exr"):
        with pytest.raises(MatteError) as caught:
            files.check(str(path))
        assert caught.value.code == "path_refused"
    with files.output(str(root / "new" / "m.exr")) as target:
        target.write_bytes(b"matte")
    assert (root / "new" / "m.exr").read_bytes() == b"matte"


def test_a_readable_file_is_that_file_alone_and_is_never_written(root: Path) -> None:
    files = NamedFiles((), (root / "p.exr",))
    assert code_of(files, root / "p.exr") == ""
    (root / "beside.exr").write_bytes(b"picture")
    assert code_of(files, root / "beside.exr") == "path_refused"
    with pytest.raises(MatteError, match="outside"), files.output(str(root / "p.exr")):
        pass
    with pytest.raises(MatteError, match="outside"), files.output(str(root / "new.exr")):
        pass


def test_what_is_no_regular_file_is_refused_at_once(root: Path) -> None:
    """Opening a pipe waits for a writer; opening a device may act."""
    os.mkfifo(root / "pipe.exr")
    (root / "folder.exr").mkdir()
    (root / "null.exr").symlink_to("/dev/null")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(root / "s.exr"))
    files = NamedFiles((root, Path("/dev")))
    for name in ("pipe.exr", "folder.exr", "null.exr", "s.exr"):
        assert code_of(files, root / name) == "not_a_file", name
    server.close()
    assert code_of(files, root / "none.exr") == "missing_file"
    assert code_of(files, root / "p.exr" / "x.exr") in ("missing_file", "unreadable")


def test_links_in_a_circle_and_folders_that_are_files_are_one_sentence(root: Path) -> None:
    (root / "circle").symlink_to(root / "circle")
    files = NamedFiles((root,))
    assert code_of(files, root / "circle") == code_of(files, root / "circle" / "p.exr") == "unreadable"
    for parent in ("circle", "p.exr"):
        with pytest.raises(MatteError) as caught, files.output(str(root / parent / "m.exr")):
            pass
        assert caught.value.code == "cannot_write"
    assert (root / "p.exr").read_bytes() == b"picture"


@linux
def test_a_link_that_may_not_be_read_is_one_sentence(root: Path) -> None:
    """That of another user's process: Python's realpath raises what it raises for no other path."""
    files, user = NamedFiles((root,)), os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        for path in (f"/proc/1/{link}" for link in ("root", "root/picture.exr", "cwd", "exe/x.exr")):
            for check in (files.check, files.check_output):
                with pytest.raises(MatteError, match="cannot be followed") as caught:
                    check(path)
                assert caught.value.code == "path_refused"
    finally:
        os.seteuid(user)


def test_folders_without_end_are_refused_before_one_is_made(root: Path) -> None:
    """Python makes them by one call within another, and met its limit: a defect of ours, said the answer."""
    files = NamedFiles((root,))
    with files.output(f"{root}/{'d/' * 100}m.exr") as target:
        target.write_bytes(b"matte")
    for depth in (200, 1000, 2000):
        with (
            pytest.raises(MatteError, match="more than the 200 allowed") as caught,
            files.output(f"{root}/{'e/' * depth}m.exr"),
        ):
            pass
        assert caught.value.code == "path_refused" and len(str(caught.value)) < 250
    assert not (root / "e").exists()


def test_a_file_larger_than_any_picture_is_refused(root: Path) -> None:
    with (root / "sparse.exr").open("wb") as file:
        file.truncate(200 << 30)
    assert code_of(NamedFiles((root,)), root / "sparse.exr") == "too_large"


@linux
def test_a_file_that_is_replaced_while_it_is_open_is_still_the_checked_one(root: Path) -> None:
    with NamedFiles((root,)).opened(str(root / "p.exr")) as opened:
        (root / "p.exr").unlink()
        (root / "p.exr").symlink_to(root.parent / "secret.exr")
        assert opened.read_bytes() == b"picture"


@linux
def test_a_link_turned_between_check_and_opening_is_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def turned(path: Path, flags: int) -> int:
        (root / "p.exr").unlink()
        (root / "p.exr").symlink_to(root.parent / "secret.exr")
        return real(path, flags)

    monkeypatch.setattr(os, "open", turned)
    assert code_of(NamedFiles((root,)), root / "p.exr") == "path_refused"


@linux
def test_an_output_folder_turned_into_a_link_changes_nothing_outside(root: Path) -> None:
    (root / "out").mkdir()
    with NamedFiles((root,)).output(f"{root}/out/m.exr") as target:
        (root / "out").rename(root / "gone")
        (root / "out").symlink_to(root.parent)
        target.write_bytes(b"matte")
    assert (root / "gone" / "m.exr").read_bytes() == b"matte"
    assert not (root.parent / "m.exr").exists()
    with pytest.raises(MatteError, match="outside"), NamedFiles((root,)).output(f"{root}/out/m.exr"):
        pass


def test_a_root_that_has_vanished_is_not_made_again(root: Path) -> None:
    """A disk that is not there now: a result would lie where nobody looks, and be hidden once the disk is back."""
    files = NamedFiles((root,))
    with files.output(str(root / "out" / "m.exr")) as target:
        target.write_bytes(b"result")
    root.rename(root.parent / "away")
    with pytest.raises(MatteError, match="no longer exists"), files.output(str(root / "out" / "n.exr")):
        pass
    assert not root.exists() and code_of(files, root / "p.exr") == "missing_file"


def test_a_root_inside_another_one_is_not_made_again_either(root: Path) -> None:
    """The inner one may be a disk that is taken off; the outer one still holds its name."""
    inner = root / "disk"
    inner.mkdir()
    files = NamedFiles((root, inner))
    inner.rmdir()
    with pytest.raises(MatteError, match="no longer exists"), files.output(str(inner / "m.exr")):
        pass
    assert not inner.exists()
    with files.output(str(root / "m.exr")) as target:
        target.write_bytes(b"result")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Windows's rules; gives the paths that the system was asked about."""
    asked: list[str] = []

    def realpath(path: str) -> str:
        asked.append(str(path))
        return str(path)

    monkeypatch.setattr(named_files, "_IS_WINDOWS", True)
    monkeypatch.setattr(os.path, "realpath", realpath)
    return asked


@pytest.mark.parametrize(
    "path",
    [
        r"\\evil\share\p.exr", "//evil/share/p.exr", r"\\?\UNC\evil\share\p.exr", r"\\.\pipe\p",
        r"\\?\C:\shots\p.exr", r"C:\shots\NUL", "C:/shots/con.exr", r"C:\shots\Com1.tar.exr", "C:/shots/LPT\u00b9",
        r"C:\shots\aux\p.exr", r"C:\shots\p.exr:hidden", r"C:\shots\p.exr.", r"C:\shots\p.exr ",
        r"C:\shots.\p.exr", "CONIN$", r"C:\CONOUT$", "C:/shots/NUL .exr", "C:/shots/com1 .png", "C:/shots/CON",
        "C:/shots/aux.tar.exr", "C:/shots/COM\u00b9", "C:/shots/COM\u00b2  .exr", "C:/shots/prn. .exr",
        "C:/lpt9 /p.exr",
        "C:/shots/nul.\nexr", "C:/shots/Nul\t.exr", "C:/shots/CLOCK$.exr", "C:/shots/con .", r"\??\C:\shots\p.exr",
        "C:/shots/p?.exr", "C:/shots/*.exr", "C:/shots/p\x01.exr", 'C:/shots/p".exr', "C:/shots/a|b.exr",
    ],
)  # fmt: skip
def test_windows_is_not_asked_about_foreign_machines_devices_and_streams(windows: list[str], path: str) -> None:
    """To be asked is enough: the user's password goes to the machine, and a device may act when it is opened."""
    files = NamedFiles((Path(r"\\shots\show"), Path("C:/shots")))
    assert not files._is_plain_on_windows(path)
    for check in (files.check, files.check_output):
        with pytest.raises(MatteError) as caught:
            check(path)
        assert caught.value.code == "path_refused" and windows == []


@pytest.mark.parametrize(
    "path",
    [
        r"\\shots\show\a\p.exr", r"\\SHOTS\Show\..\p.exr", r"C:\shots\console.exr", "C:/a b/com10.exr",
        "C:/shots/my nul.exr", "C:/shots/nul2.exr", "C:/shots/a.con", "C:/shots/.nul", "C:/shots/com1_v2.exr",
        "C:/con1 .exr",
    ],
)  # fmt: skip
def test_windows_is_asked_about_other_paths(path: str) -> None:
    assert NamedFiles((Path(r"\\shots\show"),))._is_plain_on_windows(path)
