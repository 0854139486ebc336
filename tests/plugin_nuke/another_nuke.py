"""A Nuke with a window in a process of its own, the stand-in: it takes one JSON list of a word and its arguments on
each line, and answers with a line of JSON. ``AnotherNuke`` speaks to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()


class AnotherNuke:
    """Such a process. Its calls return what the words of ``_Words`` do; ``tell`` does not wait for the answer."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, *words: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """What it answers; empty where it has died."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else ""

    def ask(self, *words: object) -> Any:
        self.tell(*words)
        return self.hear()

    def end(self) -> None:
        """It is quit, or is gone already."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.wait()


class _Words:
    """What it can be told."""

    def __init__(self) -> None:
        sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[2] / "shared")]
        from tests.plugin_nuke import conftest, pressing

        self._state = conftest.start_nuke(window=True)
        self._press = pressing

    def _node(self) -> Any:
        from cleanplate_node import host

        return host.find("Cleanplate_Matte1")

    def open(self, script: str) -> str:
        from cleanplate_node import host

        host.open_script(script)
        return self._looked_at()

    def _looked_at(self) -> str:
        self._press.until(self._state, lambda: "being looked at" not in self.status())
        return self.status()

    def copy_all(self, file: str) -> str:
        import nuke

        for node in nuke.root().nodes():
            node["selected"].setValue(True)
        nuke.nodeCopy(file)
        return file

    def paste(self, file: str) -> str:
        """The node is looked at, as it is a moment later."""
        import nuke
        from cleanplate_node import freshness

        nuke.nodePaste(file)
        freshness.look_again(self._node())
        return self.status()

    def recover(self, script: str) -> str:
        """Nuke opens the text of the autosave under the script's own name."""
        import nuke
        from cleanplate_node import host
        from nuke import _script

        text = Path(f"{script}.autosave").read_text(encoding="utf-8")
        nuke.scriptClear()
        _script.read_into(nuke.root(), text)
        nuke.root()["name"].setValue(script)
        self._state.fire_quietly("onScriptLoad", nuke.root())
        self._state.process_events()
        assert host.script_path() == script
        return self._looked_at()

    def autosave(self) -> str:
        import nuke
        from cleanplate_node import host
        from nuke import _script

        path = f"{host.script_path()}.autosave"
        Path(path).write_text(_script.written(nuke.root().nodes()), encoding="utf-8")
        return path

    def save_as(self, script: str) -> str:
        from cleanplate_node import host

        host.save_script_as(script)
        return script

    def set(self, name: str, value: object) -> str:
        from cleanplate_node import host

        host.set_value(self._node(), name, value)
        return self.status()

    def press(self, button: str) -> str:
        """Until the node is idle again."""
        from cleanplate_node import host, node_runs

        self._state.answers.append(True)
        node = self._node()
        host.press(node, button)
        self._press.until(self._state, lambda: node_runs.running(node) is None)
        return self.status()

    def start(self, button: str) -> str:
        """Until the plates are rendered; the main thread shows nothing of what comes after that."""
        from cleanplate_node import host

        host.press(self._node(), button)
        return self.status()

    def begin(self, button: str) -> str:
        """Until the first frame is there."""
        from cleanplate_node import host

        node = self._node()
        host.press(node, button)
        self._press.until(self._state, lambda: bool(self.shown()))
        return self.status()

    def finish(self) -> str:
        from cleanplate_node import node_runs

        node = self._node()
        self._press.until(self._state, lambda: node_runs.running(node) is None)
        return self.status()

    def status(self) -> str:
        from cleanplate_node import host

        return str(host.value(self._node(), "status"))

    def checked(self) -> str:
        from cleanplate_node import freshness

        return freshness.check(self._node(), deep=False).text

    def said(self) -> str:
        return self._state.messages[-1] if self._state.messages else ""

    def shown(self) -> str:
        """The results that the node's Read names and that are there."""
        from cleanplate_node import graph, host

        file = str(host.value(host.inner(self._node(), graph.READ), "file"))
        return file if "matte.%V" in file else ""

    def files(self) -> list[str]:
        return sorted(str(one) for one in Path(self.shown()).parent.glob("matte.*.exr")) if self.shown() else []

    def die_at(self, what: str, frame: int) -> str:
        """It is killed, as by a crash, just before it writes that frame's record or shows that frame."""
        from cleanplate_node import manifest, range_run

        module, name = (manifest, "write") if what == "record" else (range_run, "show_results")
        plain = getattr(module, name)

        def dying(*arguments: Any, **more: Any) -> None:
            found = arguments[1].frame if what == "record" else max(arguments[2])
            if found >= frame:
                os.kill(os.getpid(), signal.SIGKILL)
            plain(*arguments, **more)

        setattr(module, name, dying)
        return what


def main() -> None:
    words = _Words()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(words, name)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
