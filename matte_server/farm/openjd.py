"""An Open Job Description bundle: template, parameter values and asset references.

The template asks for the TASK_CHUNKING extension, so that the farm cuts the frames as the ChunkSize parameter
says, and its step environment holds one matting server for as long as a worker's session lasts: it is started
before the session's first chunk, its address reaches the chunks as CLEANPLATE_SERVER, and it is stopped after
the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import MatteError
from .farm_job import (
    CLEANPLATE,
    FILE_OPTIONS,
    FRAMES,
    HOST,
    FarmJob,
    FarmPlan,
    PathWord,
    Word,
    plain_range,
    write_job,
)

Document = dict[str, Any]
_LEARN = "Learn"
"""The step that learns the shot, before the one that mattes it."""
_STATE = "{{Session.WorkingDirectory}}/cleanplate-server.json"
_START_S, _STOP_S = 720, 60
_NOTICE_S = 15
_LONGEST_TEXT = 1024
"""The specification's limit of a parameter's value."""


def documents(job: FarmJob, plan: FarmPlan) -> Mapping[str, Document]:
    """The bundle's files by name. The parameters are written twice: as ``deadline`` reads them, and as the flat map
    that ``openjd run -p`` reads."""
    values = _values(job, plan)
    return {
        "template.yaml": template(job, plan),
        "parameter_values.yaml": {
            "parameterValues": [{"name": name, "value": value} for name, value in values.items()]
        },
        "openjd_parameters.yaml": values,
        "asset_references.yaml": {
            "assetReferences": {
                "inputs": {"filenames": list(job.inputs), "directories": []},
                "outputs": {"directories": list(job.folders)},
                "referencedPaths": [],
            }
        },
    }


def write_bundle(folder: Path, files: Mapping[str, Document]) -> None:
    """Writes the bundle; raises ``MatteError`` where the folder contains one already, or cannot be written."""
    write_job(
        folder,
        {
            name: yaml.safe_dump(document, sort_keys=False, width=110, allow_unicode=True).encode()
            for name, document in files.items()
        },
    )


def template(job: FarmJob, plan: FarmPlan) -> Document:
    """The job template."""
    step = _matte_step(job)
    steps = [step]
    if job.learn:
        steps.insert(0, {"name": _LEARN, "script": _script(job.learn)})
        step["dependencies"] = [{"dependsOn": _LEARN}]
    amounts = [{"name": "amount.worker.gpu", "min": 1}] if plan.gpu else []
    if plan.memory_gb:
        # The specification counts memory in MiB.
        amounts.append({"name": "amount.worker.memory", "min": plan.memory_gb * 1024})
    for each in steps if amounts else ():
        each["hostRequirements"] = {"amounts": amounts}
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": "{{Param.JobName}}",
        "description": "Mattes by Cleanplate.",
        "parameterDefinitions": list(_parameters(job, plan)),
        "steps": steps,
    }


def _matte_step(job: FarmJob) -> Document:
    frames = {
        "name": "Frame",
        "type": "CHUNK[INT]",
        "range": "{{Param.Frames}}",
        "chunks": {"defaultTaskCount": "{{Param.ChunkSize}}", "rangeConstraint": "CONTIGUOUS"},
    }
    return {
        "name": "Matte",
        "stepEnvironments": [_environment(job)],
        "parameterSpace": {"taskParameterDefinitions": [frames]},
        "script": _script(job.command),
    }


def _parameters(job: FarmJob, plan: FarmPlan) -> Iterator[Document]:
    yield _text("JobName", job.name, "The job's name on the farm.")
    for word in _paths(job.words):
        yield {
            "name": word.name,
            "type": "PATH",
            "objectType": "FILE",
            "dataFlow": "NONE",
            "description": word.help,
        }
    yield _text("Frames", plain_range(job.frames), "The frames, such as 1001-1100,1200.")
    yield {
        "name": "ChunkSize",
        "type": "INT",
        "minValue": 1,
        "default": plan.chunk,
        "description": "How many frames one task makes. Any number gives the same pixels.",
    }
    yield _text(
        "MattingServer",
        plan.server,
        "Address of one matting server for all workers; empty starts one on each worker.",
    )
    yield _text("Keys", plan.keys, "The client's key file for that server, as the worker sees it.")
    yield _text("Device", plan.session_device, "Where each worker's own server computes: auto, cpu, cuda or mps.")
    yield _text("Cleanplate", plan.cleanplate, "The cleanplate command on a worker.")
    if job.host:
        yield _text("Host", job.host, "The host application's command on a worker.")


def _paths(words: Iterable[Word]) -> list[PathWord]:
    """The paths among the words, each once."""
    return list({word.name: word for word in words if isinstance(word, PathWord)}.values())


def _script(words: Iterable[Word]) -> Document:
    return {"actions": {"onRun": _action([_template_text(word) for word in words])}}


def _values(job: FarmJob, plan: FarmPlan) -> Document:
    """Every parameter's value. Paths have no default: the specification wants those relative to the template."""
    paths = {word.name: word.text for word in _paths(job.words)}
    for name, path in paths.items():
        if len(path) > _LONGEST_TEXT:
            raise MatteError(
                "bad_option",
                f"{name} is a path of {len(path)} characters; a job's parameter may have {_LONGEST_TEXT}.",
                "Reach the folder by a shorter path, such as a link.",
            )
    others = {each["name"]: each["default"] for each in _parameters(job, plan) if "default" in each}
    return {**paths, **others}


def _text(name: str, default: str, description: str) -> Document:
    if len(default) > _LONGEST_TEXT:
        raise MatteError(
            "bad_option",
            f"{name} is longer than the {_LONGEST_TEXT} characters that a job's parameter may have.",
            "Cut the frames into several jobs.",
        )
    return {"name": name, "type": "STRING", "default": default, "description": description}


def _environment(job: FarmJob) -> Document:
    start = ["farm", "start", "--state", _STATE, "--server", "{{Param.MattingServer}}"]
    start += ["--keys", "{{Param.Keys}}", "--device", "{{Param.Device}}"]
    for word in job.command:
        if isinstance(word, PathWord) and word.name in FILE_OPTIONS.values():
            start += ["--read", _template_text(word)]
    stop = ["farm", "stop", "--state", _STATE]
    return {
        "name": "MattingServer",
        "description": "One matting server for all chunks of a worker's session.",
        "script": {
            "actions": {
                "onEnter": {"command": "{{Param.Cleanplate}}", "args": start, "timeout": _START_S},
                "onExit": {"command": "{{Param.Cleanplate}}", "args": stop, "timeout": _STOP_S},
            }
        },
    }


def _action(words: list[str]) -> Document:
    return {
        "command": words[0],
        "args": words[1:],
        "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": _NOTICE_S},
    }


_PLACEHOLDERS = {
    FRAMES: "--frames={{Task.Param.Frame}}",
    CLEANPLATE: "{{Param.Cleanplate}}",
    HOST: "{{Param.Host}}",
}


def _template_text(word: str | PathWord) -> str:
    """A word of the command as the template has it."""
    if isinstance(word, PathWord):
        return f"{word.before}{{{{Param.{word.name}}}}}"
    if word in _PLACEHOLDERS:
        return _PLACEHOLDERS[word]
    if "{{" in word:
        raise MatteError("bad_option", f"{word!r} cannot stand in a job template.", "Leave out the double braces.")
    return word
