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
    return found | {"sequences": sequences(place, scene, tree, node)}


def sequences(place: Path, scene: Any, tree: Any, node: Any) -> dict[str, dict[int, str]]:
    """What is said of sequences whose second picture has another header than the first."""
    from plugin_blender.solve import Solve

    found = {}
    for name, file in (("turned", "odd.0001.jpg"), ("windows", "odd.0001.exr")):
        plate, clean = stage.image_node(tree, place / file, 3), stage.image_node(tree, place / "clean.exr")
        exposure = tree.nodes.new("CompositorNodeExposure")
        tree.links.new(clean.outputs[0], exposure.inputs[0])
        tree.links.new(plate.outputs[0], node.inputs["Plate"])
        tree.links.new(exposure.outputs[0], node.inputs["Clean Plate"])
        solve = Solve(scene, node, [1, 2, 3])
        solve.run()
        found[name] = solve.failures
        # The next step that the sentence names.
        behind = tree.nodes.new("CompositorNodeExposure")
        tree.links.new(plate.outputs[0], behind.inputs[0])
        tree.links.new(behind.outputs[0], node.inputs["Plate"])
        solve = Solve(scene, node, [1, 2, 3])
        solve.run()
        assert not solve.sentence, solve.sentence
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
