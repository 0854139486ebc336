"""Files that older versions of the add-on saved: they keep their settings, and say what was changed.

``golden.tar.xz`` has them uncompressed, which together is smallest: ``first`` (the first version), ``smoothing``
(temporal smoothing, JPEG 2000 in EXR that Blender cannot read), ``copied`` (a node whose results are taken along)
and ``learned`` (key frames) were saved by Blender 4.5, ``learned_52`` by 5.2.
"""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import stage

_SET = {
    "precision": "float16",
    "align": "homography",
    "match_exposure": False,
    "foreground": "network",
    "black_point": 0.125,
    "white_point": 0.875,
    "gamma": 1.25,
    "erode": -1.5,
    "softness": 2.5,
    "despeckle": 7,
    "bit_depth": "float",
    "frames": "1-2",
    "folder": "//kept",
}
_UNSET = {
    "weights": "",
    "precision": "auto",
    "align": "auto",
    "match_exposure": True,
    "region": "",
    "foreground": "solve",
    "black_point": 0.0,
    "white_point": 1.0,
    "gamma": 1.0,
    "erode": 0.0,
    "softness": 0.0,
    "despeckle": 0,
    "temporal": 0.0,
    "bit_depth": "half",
    "compression": "zip",
    "frames": "",
    "folder": "//cleanplate",
    "use_learned": False,
}
_LEARNED = {**_SET, "model": "cleanplate", "compression": "dwab", "learned": "0123456789ab.learned"}
FILES = {
    "first": {**_SET, "node_id": "matte-00000001", "model": "v2", "weights": "//w.pth", "compression": "dwab"},
    "smoothing": {
        **_SET,
        "node_id": "matte-00000002",
        "model": "difference",
        "temporal": 0.5,
        "region": "2 3 40 50",
    },
    "copied": {
        "node_id": "matte-00000003",
        "model": "cleanplate",
        "compression": "rle",
        "former": "/tmp/shot/cleanplate/matte-ce10b49b",
    },
    "learned": {**_LEARNED, "node_id": "matte-00000004"},
    "learned_52": {**_LEARNED, "node_id": "matte-00000005"},
}
"""The settings that each file was saved with; the others were at the defaults of that time."""


def case(folder: str) -> None:
    stage.add_on()
    for name, saved in FILES.items():
        if name != "learned_52" or bpy.app.version >= (5, 2, 0):
            opened(Path(folder), name, saved)


def opened(place: Path, name: str, saved: dict[str, Any]) -> None:
    from plugin_blender import places, runtime

    bpy.ops.wm.open_mainfile(filepath=str(place / f"{name}.blend"))
    ((scene, node),) = places.all_nodes()
    found = {key: getattr(node.matte, key) for key in {**_UNSET, **saved}}
    assert found == {**_UNSET, **saved}, (name, found)
    assert [each.name for each in node.inputs] == ["Plate", "Clean Plate", "Holdout", "Core", "Key Matte"]
    assert [key.frame for key in node.matte.key_frames] == ([2] if "learned" in name else [])
    said = runtime.state(node.matte.node_id).error
    if name == "smoothing":
        assert said == "Compression was set to what this version does not offer here; it is zip now.", said
    else:
        assert not said, said
    assert node.label == "Cleanplate Matte (not solved)", (name, node.label)
    solved(scene, node)


def solved(scene: Any, node: Any) -> None:
    """It can be solved with its settings, and is seen."""
    # The other models need weights that are not here, or time.
    node.matte.model, node.matte.weights, node.matte.region, node.matte.temporal = "difference", "", "", 0.0
    stage.render_settings(scene, Path(bpy.data.filepath).parent / "out", (83, 61))
    scene.frame_set(1)
    assert not stage.error_of(bpy.ops.cleanplate.solve_frame)
    assert stage.shown_alpha(scene, 1) > 0.5


stage.run(case)
