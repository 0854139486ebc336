"""Small wheels, and an index of packages on this machine that notes what it is asked for and can stall."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_PATIENCE_S = 120.0


def make_wheel(folder: Path, name: str, needs: Sequence[str] = (), module: str = "", command: str = "") -> Path:
    """A wheel of version 0.1 that needs others. ``module`` is the source of its one module, which is called
    ``<name>_module`` and whose ``main`` the ``command`` calls."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-0.1-py3-none-any.whl"
    facts = f"{name}-0.1.dist-info"
    needed = "".join(f"Requires-Dist: {each}\n" for each in needs)
    files = {
        f"{name}_module.py": module,
        f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n{needed}",
        f"{facts}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if command:
        files[f"{facts}/entry_points.txt"] = f"[console_scripts]\n{command} = {name}_module:main\n"
    files[f"{facts}/RECORD"] = "".join(f"{each},,\n" for each in (*files, f"{facts}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return wheel


def server_wheel(folder: Path, needs: Sequence[str] = ("needed",)) -> Path:
    """A wheel called cleanplate, whose command prints a word of a wheel that it needs: no download of gigabytes in
    a test."""
    module = "def main():\n    import needed_module\n    print(needed_module.WORD)\n"
    return make_wheel(folder, "cleanplate", needs, module, "cleanplate")


def needed_wheel(folder: Path) -> Path:
    """What :func:`server_wheel` needs."""
    return make_wheel(folder, "needed", module="WORD = 'serving'\n")


class PackageIndex:
    """An index at ``url`` of the wheels in a folder. ``asked`` has the paths that were asked for, in order."""

    def __init__(self, wheels: Path) -> None:
        self.asked: list[str] = []
        self.goes_on = threading.Event()
        """Clear it, and downloads of wheels stall until it is set."""
        self.goes_on.set()
        self.stalled = threading.Event()
        """Whether a download has stalled."""
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                found = index.answer(wheels, self.path)
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/zip")
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                self.wfile.write(found[:1])
                if self.path.endswith(".whl") and not index.goes_on.is_set():
                    index.stalled.set()
                    index.goes_on.wait(_PATIENCE_S)
                self.wfile.write(found[1:])

            def do_CONNECT(self) -> None:
                index.asked.append(self.path)
                self.send_error(502)

            do_HEAD = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @staticmethod
    def answer(wheels: Path, path: str) -> bytes:
        """The page of a project, or a wheel; empty where there is none."""
        name = path.strip("/").rpartition("/")[2]
        if path.endswith(".whl"):
            return (wheels / name).read_bytes()
        links = "".join(f'<a href="/files/{each.name}">{each.name}</a>\n' for each in wheels.glob(f"{name}-*.whl"))
        return links.encode()

    def stall(self) -> None:
        """From now on downloads stall."""
        self.stalled.clear()
        self.goes_on.clear()

    @contextmanager
    def serving(self) -> Iterator[PackageIndex]:
        """Answers while the context lasts."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.goes_on.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()
