"""Runs the contract inside a real Nuke and writes what came out as JSON.

In a terminal: ``nuke -t selftest.py --cleanplate COMMAND --report FILE``; the exit code says whether all held.
In a window, from the Script Editor: ``from cleanplate_node import selftest; selftest.start("COMMAND", "FILE")``;
it opens and closes scripts, so save yours first. COMMAND starts Cleanplate, for example
``/opt/cleanplate/bin/cleanplate``.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

sys.path.append(str(Path(__file__).resolve().parents[1]))

from cleanplate_node import vendor

vendor.add_paths()

from cleanplate_node import callbacks, contract, host  # noqa: E402
from cleanplate_node.bench import Case, ContractBench, Server, Wait  # noqa: E402

_CASE_S = 120.0
_FIRST_FRAME = 1
"""Where the timeline stands at the start of each case."""
_STEP_S = 0.02


@dataclass(frozen=True)
class Result:
    """How a case ended; ``trouble`` is empty where it holds."""

    name: str
    promise: str
    seconds: float
    trouble: str = ""


class Runner:
    """One case under way: :meth:`step` goes on with it, and says whether it is over."""

    def __init__(self, case: Case, folder: Path, server: Server) -> None:
        self.name = case.__name__
        self._promise = " ".join((case.__doc__ or "").split())
        self._started = time.monotonic()
        self._bench = ContractBench(folder, server)
        self._case = case
        self._steps: Optional[Iterator[Wait]] = None
        self._wait: Wait = lambda: True
        self.result: Optional[Result] = None

    def step(self) -> bool:
        """On the main thread."""
        try:
            if self._steps is None:
                host.new_script()
                host.go_to(_FIRST_FRAME)
                self._bench.folder.mkdir(parents=True, exist_ok=True)
                if not self._bench.server.running:
                    self._bench.server.start()
                    self._started = time.monotonic()  # whose seconds would be taken for those of the first case
                self._steps = self._case(self._bench)
            if time.monotonic() - self._started > _CASE_S:
                raise AssertionError(f"still not done after {_CASE_S:g} s")
            if self._wait():
                self._wait = next(self._steps)
        except StopIteration:
            self._end("")
        except AssertionError as error:
            self._end(str(error) or traceback.format_exc())
        except Exception:  # noqa: BLE001 - the report is for whatever happens
            self._end(traceback.format_exc())
        return self.result is not None

    def _end(self, trouble: str) -> None:
        seconds = round(time.monotonic() - self._started, 3)
        self.result = Result(self.name, self._promise, seconds, trouble)


def run_here(cases: Sequence[Case], folder: Path, server: Server) -> list[Result]:
    """All cases one after the other, for a host without a window."""
    results = []
    for case in cases:
        runner = Runner(case, folder / case.__name__, server)
        while not runner.step():
            time.sleep(_STEP_S)
        assert runner.result is not None
        results.append(runner.result)
        print(f"{'FAILED' if runner.result.trouble else 'holds '} {runner.result.name}", flush=True)
    return results


Seen = Sequence[tuple[str, str]]
"""Questions that the documents leave open, and what this Nuke does."""


def report(results: Sequence[Result], seen: Seen) -> str:
    """The JSON report."""
    facts = {
        "nuke": host.version(),
        "window": host.has_window(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "held": sum(not result.trouble for result in results),
        "failed": sum(bool(result.trouble) for result in results),
        "cases": [asdict(result) for result in results],
        "seen": dict(seen),
    }
    return json.dumps(facts, indent=2)


def table(results: Sequence[Result], seen: Seen) -> str:
    """To be mailed: how many promises hold and which do not, and a line for each with its seconds; below one that
    did not hold, why. Behind them what was seen of what the documents leave open."""
    failed = [result.name for result in results if result.trouble]
    lines = [
        f"Cleanplate in Nuke {host.version()}, Python {platform.python_version()}, {platform.platform()}",
        f"{'window' if host.has_window() else 'terminal'}: {len(results) - len(failed)} of {len(results)} hold",
        *([f"FAILED: {', '.join(failed)}"] if failed else []),
    ]
    for result in results:
        lines.append(
            f"{'FAILED' if result.trouble else 'holds '} {result.seconds:6.1f} s  {result.name}: {result.promise}"
        )
        lines += [f"                  {line}" for line in result.trouble.strip().splitlines()[-1:]]
    lines += [f"seen    {question}: {answer}" for question, answer in seen]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def start(command: str, file: str) -> None:
    """Runs all cases in a window without blocking it; says so at the end."""
    threading.Thread(target=_drive, args=(shlex.split(command), Path(file)), daemon=True).start()


def _drive(command: Sequence[str], file: Path) -> None:
    """Off the main thread: has the main thread go on with each case, one short step at a time."""
    server = Server(command)
    results: list[Result] = []
    seen: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="cleanplate-selftest-") as folder:
        for case in contract.cases(window=True):
            runner = Runner(case, Path(folder, case.__name__), server)
            while runner.result is None:
                _on_main_and_wait(runner.step)
            results.append(runner.result)
    server.stop()
    _on_main_and_wait(lambda: seen.extend(host.observations()))
    file.write_text(report(results, seen), encoding="utf-8")
    file.with_suffix(".txt").write_text(table(results, seen), encoding="utf-8")
    failed = sum(bool(result.trouble) for result in results)
    host.on_main(host.say, f"Cleanplate self-test: {len(results) - failed} hold, {failed} failed. See {file}.")


def _on_main_and_wait(step: Callable[[], object]) -> None:
    """Not ``executeInMainThreadWithResult``, which waits without an end where the main thread is busy."""
    done = threading.Event()

    def work() -> None:
        try:
            step()
        finally:
            done.set()

    host.on_main(work)
    done.wait(_CASE_S)
    time.sleep(_STEP_S)


def main(words: Sequence[str]) -> int:
    """The terminal's command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="nuke -t selftest.py", description="Run the contract in this Nuke.")
    parser.add_argument("--cleanplate", required=True, metavar="COMMAND", help="what starts Cleanplate")
    parser.add_argument("--report", default="cleanplate_nuke_report.json", metavar="FILE")
    arguments = parser.parse_args(words)
    callbacks.register()  # nothing happens to those that are registered already, where the plugin is on NUKE_PATH
    server = Server(shlex.split(arguments.cleanplate))
    with tempfile.TemporaryDirectory(prefix="cleanplate-selftest-") as folder:
        try:
            results = run_here(contract.cases(window=False), Path(folder), server)
        finally:
            server.stop()
    seen = host.observations()
    Path(arguments.report).write_text(report(results, seen), encoding="utf-8")
    print(table(results, seen), flush=True)
    return int(any(result.trouble for result in results))


if __name__ == "__main__":
    sys.exit(main(host.script_arguments(Path(__file__).name)))
