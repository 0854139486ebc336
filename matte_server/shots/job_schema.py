"""The JSON Schema of a job file, against which editors and pipelines check theirs.

It is made from the tables by which :mod:`.job_file` reads it."""

from __future__ import annotations

from typing import Any

from matte_link.option_spec import OptionSpec
from matte_link.options import option_specs

from .arguments import NUMBER, PATH, SHOT_ARGUMENTS, SWITCH, TEXT, ShotArgument

SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_TYPES: dict[str, Any] = {PATH: "string", TEXT: ["string", "integer"], NUMBER: "integer", SWITCH: "boolean"}
_OPTION_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}


def job_schema() -> dict[str, Any]:
    """The schema, as JSON values."""
    words = {argument.name: _argument(argument) for argument in SHOT_ARGUMENTS}
    words |= {spec.name: _option(spec) for spec in option_specs()}
    needed = [argument.name for argument in SHOT_ARGUMENTS if argument.is_needed]
    # What every shot needs may stand in the defaults, so a shot alone needs nothing.
    entry = {"type": "object", "properties": words, "additionalProperties": False}
    return {
        "$schema": SCHEMA,
        "title": "A job file of cleanplate matte --job (YAML or JSON)",
        "description": f"Each shot needs {', '.join(needed)}, of its own or from the defaults. Paths are seen from "
        "the file's own folder, and ~ is the user's.",
        "type": "object",
        "required": ["shots"],
        "additionalProperties": False,
        "properties": {
            "defaults": {"$ref": "#/$defs/shot", "description": "words for every shot that does not say otherwise"},
            "shots": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/shot"}},
        },
        "$defs": {"shot": entry},
    }


def _argument(argument: ShotArgument) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": _TYPES[argument.kind], "description": argument.help}
    if argument.choices:
        facts["enum"] = list(argument.choices)
    if argument.default != "":
        facts["default"] = argument.default
    return facts


def _option(spec: OptionSpec) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": _OPTION_TYPES[spec.type], "description": spec.help, "default": spec.default}
    if spec.choices and not spec.is_open:
        facts["enum"] = list(spec.choices)
    if spec.minimum is not None:
        facts |= {"minimum": spec.minimum, "maximum": spec.maximum}
    return facts
