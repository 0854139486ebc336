"""Pictures whose headers Blender does not follow: each is matted as it is seen in the comp."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from pathlib import Path
from typing import Any

import stage


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    node.matte.align = "none"
    found = {}
    for name, plate, clean in (
        ("turned jpeg", "turned.jpg", "turned_clean.jpg"),
        ("turned png", "turned.png", "turned_clean.png"),
        ("upright", "upright.jpg", "upright_clean.jpg"),
        ("windows", "window.exr", "window_clean.exr"),
    ):
        images = [stage.image_node(tree, place / file) for file in (plate, clean)]
        for way in ("files", "plate rendered", "clean plate rendered", "both rendered"):
            for role, image, socket in zip(("plate", "clean plate"), images, ("Plate", "Clean Plate"), strict=True):
                source = image.outputs[0]
                if way.startswith((role, "both")):
                    exposure = tree.nodes.new("CompositorNodeExposure")
                    tree.links.new(source, exposure.inputs[0])
                    source = exposure.outputs[0]
                tree.links.new(source, node.inputs[socket])
            found[f"{name}: {way}"] = solved(scene, node)
    return found


def solved(scene: Any, node: Any) -> dict[str, Any]:
    """The first frame's result, and what is sent of each picture."""
    from plugin_blender import planning
    from plugin_blender.solve import Solve

    solve = Solve(scene, node, [1])
    solve.run()
    assert not solve.sentence, solve.sentence
    plan = planning.plan_of(scene, node)
    kinds = [type(source).__name__ for source in (plan.plate, plan.clean_plate)]
    return {"result": str(plan.result(1)), "kinds": kinds}


stage.run(case)
