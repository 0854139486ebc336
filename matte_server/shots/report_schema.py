"""The JSON Schema of the report that ``cleanplate matte --json`` writes."""

from __future__ import annotations

from typing import Any

from .job_schema import SCHEMA
from .reports import REPORT_HEAD, ResultStatus

_TEXT, _STATUS = {"type": "string"}, {"enum": [str(status) for status in ResultStatus]}
_ALIGNMENT = {
    "type": "object",
    "description": "how the clean plate lies on this frame's plate, measured on this frame",
    "properties": {
        "transform": {"description": "3 x 3, clean-plate to plate coordinates, in pixels of the EXR plane"},
        "kind": {"enum": ["none", "translation", "homography"]},
        "coverage": {"type": "number", "description": "part of the plate that the clean plate reaches, 0 to 1"},
        "inliers": {"type": ["number", "null"], "description": "part of the tracked points that agree, 0 to 1"},
        "residual_px": {"type": ["number", "null"], "description": "median distance of those points, plate pixels"},
        "points": {"type": "integer", "description": "points tracked; 0 where nothing could be measured"},
        "gain": {"description": "R, G, B: plate = gain * clean plate + offset, scene-linear"},
        "offset": {"description": "R, G, B"},
    },
}
_FRAME = {
    "type": "object",
    "properties": {
        "frame": {"type": "integer"},
        "name": {**_TEXT, "description": "the file's name of a portrait; empty for a frame of a shot"},
        "status": _STATUS,
        "output": _TEXT,
        "seconds": {"type": "number", "description": "how long the server worked on the frame"},
        "code": {**_TEXT, "description": "the error's code where the frame failed, else empty"},
        "message": {**_TEXT, "description": "the error in a sentence, else empty"},
        "files": {"type": "object", "description": "the frame's inputs and other outputs, by role"},
        "diagnostics": {
            "type": "object",
            "properties": {
                "alignment": _ALIGNMENT,
                "alpha_area": {"type": "number", "description": "mean alpha, 0 to 1"},
                "unknown_area": {
                    "type": "number",
                    "description": "semi-transparent part of the frame, 0 to 1",
                },
                "recomposition_error": {
                    "type": "number",
                    "description": "the foreground over the clean plate against the plate, as a part of its range",
                },
                "recomposition_error_max": {
                    "type": "number",
                    "description": "the largest difference in the frame, in linear light",
                },
                "colourspace": {**_TEXT, "description": "what the result's colour is in"},
                "maker": {"type": "object", "description": "what made it: version, model, digest of its weights"},
                "device": {**_TEXT, "description": "where it was computed, such as cuda:0"},
                "seconds": {"type": "object", "description": "seconds by stage"},
                "pictures": {
                    "type": "object",
                    "description": "of plate and clean_plate: display_window (x, y, width, height), pixel_aspect, "
                    "colourspace it was read in, channels that its colour was read from",
                },
                "warnings": {"type": "array", "items": _TEXT},
            },
        },
    },
}
_SHOT = {
    "type": "object",
    "properties": {
        "server": {**_TEXT, "description": "the matting server's address"},
        "options": {"type": "object", "description": "the options that are not at their defaults, by name"},
        "working_space": _TEXT,
        "stopped": {**_TEXT, "description": "why the other frames were not tried; empty where all were"},
        "stopped_code": {**_TEXT, "description": "the code of that reason, as unavailable; else empty"},
        "solve": {**_TEXT, "description": "the plate solve (how the clean plate lies on the frames) in words"},
        "solve_file": _TEXT,
        "movies": {"type": "array", "description": "videos made of the frames: path, status, code, message"},
        "frames": {"type": "array", "items": _FRAME},
    },
}


def report_schema() -> dict[str, Any]:
    """The schema, as JSON values: a report of one shot, or of several in ``shots``."""
    head = {name: {"const": value} for name, value in REPORT_HEAD.items()}
    several = {"shots": {"type": "array", "items": {"$ref": "#/$defs/shot"}}}
    return {
        "$schema": SCHEMA,
        "title": "The report of cleanplate matte --json",
        "type": "object",
        "required": list(REPORT_HEAD),
        "properties": head,
        "anyOf": [{"$ref": "#/$defs/shot"}, {"type": "object", "properties": several, "required": ["shots"]}],
        "$defs": {"shot": _SHOT},
    }
