"""Key frames, and weights that are learned from them."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str, weights: str) -> dict[str, Any]:
    stage.add_on()
    from plugin_blender import learning

    # What is learned is the server's matter; here two steps stand for it.
    learning.STEPS = 2
    place = Path(folder)
    scene, _, node = stage.shot_node(place)
    node.matte.model = "cleanplate"
    keys = key_frames(place, scene, node)
    learn(scene, node)
    learned = gained(scene, node, weights)
    copied(scene, node)
    lost(scene, node)
    stale(place, scene, node)
    gone(scene, node)
    return {**keys, **learned}


def key_frames(place: Path, scene: Any, node: Any) -> dict[str, Any]:
    """A key frame is what the node gives, with the guides that mend it; of a frame that is solved."""
    from plugin_blender import planning

    tree = node.id_data
    message = stage.error_of(bpy.ops.cleanplate.add_key_frame)
    assert message.startswith("Frame 1 is not solved."), message
    bpy.ops.cleanplate.solve_frame()
    guide = stage.image_node(tree, place / "plate.0002.exr")
    separate = tree.nodes.new("CompositorNodeSeparateColor")
    tree.links.new(guide.outputs[0], separate.inputs[0])
    tree.links.new(separate.outputs[0], node.inputs["Holdout"])
    assert bpy.ops.cleanplate.add_key_frame() == {"FINISHED"}
    mended = key_file(scene, node, 1)
    tree.links.remove(node.inputs["Holdout"].links[0])
    assert bpy.ops.cleanplate.add_key_frame() == {"FINISHED"}
    assert len(node.matte.key_frames) == 1
    plain = key_file(scene, node, 1)
    assert plain != mended, "the guides do not mend it"
    # Any other picture of a matte, of a frame that is not solved.
    scene.frame_set(3)
    tree.links.new(stage.image_node(tree, place / "key.exr").outputs[0], separate.inputs[0])
    tree.links.new(separate.outputs[1], node.inputs["Key Matte"])
    key_before = planning.plan_of(scene, node).key
    assert bpy.ops.cleanplate.add_key_frame() == {"FINISHED"}
    assert planning.plan_of(scene, node).key == key_before
    assert [each.frame for each in node.matte.key_frames] == [1, 3]
    return {"mended": mended, "plain": plain, "given": key_file(scene, node, 3), "result": result(scene, node, 1)}


def key_file(scene: Any, node: Any, frame: int) -> str:
    from plugin_blender import key_frames, planning

    return key_frames.files_of(node, planning.plan_of(scene, node))[frame]


def result(scene: Any, node: Any, frame: int) -> str:
    from plugin_blender import planning

    return str(planning.plan_of(scene, node).result(frame))


def learn(scene: Any, node: Any) -> None:
    """The whole way to the server and back; two steps gain nothing that counts, or little."""
    from plugin_blender import learning, runtime

    assert bpy.ops.cleanplate.learn() == {"FINISHED"}
    assert runtime.learning is None
    node.matte.use_learned = False
    # Cancelled before anything was sent.
    started = learning.Learning(scene, node)
    message = stage.error_of(bpy.ops.cleanplate.learn)
    assert "is already running" in message, message
    bpy.ops.cleanplate.cancel_learn()
    assert not started.step() and started.sentence == "Learn was cancelled."
    started.close()


def gained(scene: Any, node: Any, weights: str) -> dict[str, Any]:
    """The node mattes with what comes back, and says that its old results are stale."""
    from plugin_blender import key_frames, learning, planning

    before = planning.refresh(scene, node)
    scene.frame_set(1)
    bpy.ops.cleanplate.solve_frame()
    assert planning.refresh(scene, node).counts().fresh == (1,)
    started = learning.Learning(scene, node)
    output = Path(before.folder, "learning.learned")
    shutil.copy(weights, output)
    done = stage.learnt(output, "The key matte of frame 1 fits frame 2 better than its own.")
    started._conclude(done)
    started.close()
    assert "2.00 % before, 1.00 % now" in started.sentence, started.sentence
    assert started.sentence.endswith("The key matte of frame 1 fits frame 2 better than its own."), started.sentence
    settings = node.matte
    assert settings.use_learned and settings.learned_from == key_frames.named(node)
    plan = planning.refresh(scene, node)
    assert plan.counts().stale == (1,) and plan.options.weights.endswith("0123456789ab.learned")
    assert bpy.ops.cleanplate.solve_frame() == {"FINISHED"}
    assert planning.refresh(scene, node).counts().fresh == (1,)
    learned = result(scene, node, 1)
    settings.use_learned = False
    assert planning.refresh(scene, node).counts().fresh == (1,)
    return {"learned": learned}


def copied(scene: Any, node: Any) -> None:
    """A copy takes along the weights that it names, and is solved with them."""
    from plugin_blender import copies, planning

    node.matte.use_learned = True
    planning.refresh(scene, node)
    tree = node.id_data
    for other in tree.nodes:
        other.select = other == node
    copy = tree.nodes.new("CompositorNodeGroup")
    copy.node_tree = node.node_tree
    for name in ("node_id", "model", "learned", "learned_from", "use_learned"):
        setattr(copy.matte, name, getattr(node.matte, name))
    for name in ("Plate", "Clean Plate"):
        tree.links.new(node.inputs[name].links[0].from_socket, copy.inputs[name])
    copies.make_unique()
    assert copy.matte.node_id != node.matte.node_id
    plan = planning.refresh(scene, copy)
    assert not plan.problem, plan.problem
    assert (
        Path(plan.options.weights) == Path(plan.folder, node.matte.learned) and Path(plan.options.weights).is_file()
    )
    tree.nodes.remove(copy)
    node.matte.use_learned = False


def lost(scene: Any, node: Any) -> None:
    """What came back cannot be kept: said in words, and Learn can begin again."""
    from plugin_blender import learning, runtime

    started = learning.Learning(scene, node)
    gone = Path(started.plan.folder, "nowhere", "learning.learned")
    done = stage.learnt(gone)

    class EndedJob:
        """A job that has just ended."""

        def poll(self) -> list[Any]:
            return [done]

        def leave(self) -> None:
            pass

        def join(self, timeout: float) -> None:
            pass

    started._job = EndedJob()
    assert not started.step() and started.failed
    assert started.sentence.startswith("The learned weights cannot be kept in"), started.sentence
    started.close()
    assert runtime.learning is None


def stale(place: Path, scene: Any, node: Any) -> None:
    """A key frame whose plate has changed is not learned from: its bytes tell, and not its time."""
    from plugin_blender import key_frames, planning
    from plugin_blender.learning import Learning

    plate = place / "plate.0003.exr"
    facts, same = plate.stat(), plate.read_bytes()

    def unusable() -> set[int]:
        return set(dict(key_frames.unusable(node, planning.plan_of(scene, node))))

    colours = node.inputs["Plate"].links[0].from_node.image.colorspace_settings
    before, colours.name = colours.name, "sRGB"
    assert unusable() == {1, 3}, "other pictures of the same files"
    colours.name = before
    assert unusable() == set()
    os.utime(plate, ns=(facts.st_atime_ns, facts.st_mtime_ns + 10**9))
    assert unusable() == {3}, "until somebody has read it"
    started = Learning(scene, node)
    started.cancel()
    assert not started.step() and unusable() == set(), "as in a copy of the project"
    started.close()
    plate.write_bytes(same[:-4] + bytes(4))
    os.utime(plate, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    message = stage.error_of(bpy.ops.cleanplate.learn)
    assert message.startswith("The key frame 3 cannot be learnt from: its plate"), message
    assert unusable() == {3}, "another picture of its size and time"
    assert bpy.ops.cleanplate.remove_key_frame(frame=3) == {"FINISHED"}
    assert [each.frame for each in node.matte.key_frames] == [1]


def gone(scene: Any, node: Any) -> None:
    """The weights are gone: said in words, and not matted with others."""
    from plugin_blender import planning

    node.matte.learned, node.matte.use_learned = "ffffffffffff.learned", True
    problem = planning.refresh(scene, node).problem
    assert "are not there. Switch them off" in problem, problem
    node.matte.use_learned = False


stage.run(case)
