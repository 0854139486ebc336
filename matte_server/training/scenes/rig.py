"""The skeleton: joints from the base mesh's joint cubes, poses from BVH, and linear blend skinning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .obj import Indices, Mesh, Points

Rotation = NDArray[np.float64]
# MakeHuman's game rig has few bones; the poses are made for its full rig. A bone takes the full rig's
# rotation at the joint that ends its segment, so that twist bones count.
_FULL_RIG = {
    "pelvis": "root", "spine_01": "spine04", "spine_02": "spine03", "spine_03": "spine01",
    "neck_01": "neck02", "head": "head",
}  # fmt: skip
_FULL_RIG_SIDES = {
    "clavicle": "shoulder01", "upperarm": "upperarm02", "lowerarm": "lowerarm02", "hand": "wrist",
    "thigh": "upperleg02", "calf": "lowerleg02", "foot": "foot", "ball": "toe1-1",
}  # fmt: skip
_FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}


@dataclass(frozen=True)
class Rig:
    """Bones ordered parents first. ``weights`` (V, B) sums to 1 over the bones."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    cubes: tuple[Indices, ...]
    weights: NDArray[np.float32]

    def heads(self, body: Points) -> Points:
        """(B, 3): the joint each bone turns about, on this body."""
        return np.stack([body[c].mean(axis=0) for c in self.cubes])

    def matrices(self, body: Points, turns: Mapping[str, Rotation]) -> NDArray[np.float64]:
        """(B, 3, 4) of rest to posed space. ``turns`` gives each bone's rotation in *world* axes from rest;
        a bone it lacks turns with its parent."""
        heads = self.heads(body)
        out = np.zeros((len(self.names), 3, 4))
        for bone, (name, parent) in enumerate(zip(self.names, self.parents, strict=True)):
            above = out[parent] if parent >= 0 else np.eye(3, 4)
            turn = turns.get(name, above[:, :3])
            place = above[:, :3] @ heads[bone] + above[:, 3]
            out[bone, :, :3] = turn
            out[bone, :, 3] = place - turn @ heads[bone]
        return out


def skin(points: Points, weights: NDArray[np.float32], matrices: NDArray[np.float64]) -> Points:
    """Linear blend skinning of ``points`` (N, 3) by ``weights`` (N, B) and ``matrices`` (B, 3, 4)."""
    blended = np.tensordot(weights, matrices, axes=(1, 0))
    return np.asarray(np.einsum("nij,nj->ni", blended[:, :, :3], points) + blended[:, :, 3])


def read_rig(folder: Path, base: Mesh) -> Rig:
    """MakeHuman's game rig from ``folder`` over the base mesh ``base``."""
    bones = json.loads((folder / "rig.game_engine.json").read_text(encoding="utf-8"))
    table = json.loads((folder / "weights.game_engine.json").read_text(encoding="utf-8"))["weights"]
    order: list[str] = []
    while len(order) < len(bones):
        order.extend(n for n in bones if n not in order and bones[n]["parent"] in (*order, ""))
    weights = np.zeros((len(base.vertices), len(order)), np.float32)
    for bone, name in enumerate(order):
        pairs = table[name]
        if pairs:
            weights[[int(p[0]) for p in pairs], bone] = [p[1] for p in pairs]
    total = weights.sum(axis=1, keepdims=True)
    weights[total[:, 0] <= 0, order.index("pelvis")] = 1.0
    weights /= np.where(total > 0, total, 1.0)
    parents = tuple(order.index(bones[n]["parent"]) if bones[n]["parent"] else -1 for n in order)
    cubes = tuple(base.group_vertices(bones[n]["head"]["cube_name"]) for n in order)
    return Rig(names=tuple(order), parents=parents, cubes=cubes, weights=weights)


def parse_bvh(lines: Iterable[str]) -> dict[str, Rotation]:
    """World rotation of every joint in the first frame. MakeHuman's BVH is z up, as we are."""
    names: list[str] = []
    parents: list[int] = []
    channels: list[list[str]] = []
    stack: list[int] = []
    numbers: list[float] = []
    moving = False
    for line in lines:
        words = line.split()
        if not words:
            continue
        if moving:
            if words[0] not in ("Frames:", "Frame"):
                numbers = [float(w) for w in words]
                break
        elif words[0] in ("ROOT", "JOINT"):
            parents.append(stack[-1] if stack else -1)
            names.append(words[1])
            channels.append([])
            stack.append(len(names) - 1)
        elif words[0] == "End":
            stack.append(-1)
        elif words[0] == "CHANNELS":
            channels[stack[-1]] = words[2:]
        elif words[0] == "}":
            stack.pop()
        elif words[0] == "MOTION":
            moving = True
    return _world_turns(names, parents, channels, numbers)


def _world_turns(
    names: list[str], parents: list[int], channels: list[list[str]], numbers: list[float]
) -> dict[str, Rotation]:
    turns: list[Rotation] = []
    used = 0
    for joint, parent in enumerate(parents):
        turn = turns[parent].copy() if parent >= 0 else np.eye(3)
        for channel in channels[joint]:
            if channel.endswith("rotation"):
                turn = turn @ axis_rotation(channel[0], np.radians(numbers[used]))
            used += 1
        turns.append(turn)
    return dict(zip(names, turns, strict=True))


def axis_rotation(axis: str, angle: float) -> Rotation:
    """Right-handed rotation by ``angle`` radians about "X", "Y" or "Z"."""
    i = "XYZ".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    turn = np.eye(3)
    turn[j, j] = turn[k, k] = np.cos(angle)
    turn[k, j] = np.sin(angle)
    turn[j, k] = -turn[k, j]
    return turn


def retarget(joints: Mapping[str, Rotation]) -> dict[str, Rotation]:
    """World rotations of the game rig's bones from those of the full rig's ``joints``."""
    pairs = dict(_FULL_RIG)
    for side in "lr":
        pairs |= {f"{ours}_{side}": f"{full}.{side.upper()}" for ours, full in _FULL_RIG_SIDES.items()}
        for finger, number in _FINGERS.items():
            pairs |= {f"{finger}_0{k}_{side}": f"finger{number}-{k}.{side.upper()}" for k in (1, 2, 3)}
    return {ours: joints[full] for ours, full in pairs.items()}


def read_pose(path: Path) -> dict[str, Rotation]:
    """World rotations of the game rig's bones in a ``.bvh``."""
    return retarget(parse_bvh(path.read_text(encoding="utf-8").splitlines()))


def slerp(first: Rotation, second: Rotation, t: float) -> Rotation:
    """The rotation ``t`` of the way from ``first`` to ``second`` on the shortest arc (Rodrigues)."""
    delta = first.T @ second
    angle = np.arccos(np.clip((np.trace(delta) - 1) / 2, -1.0, 1.0))
    axis = np.array([delta[2, 1] - delta[1, 2], delta[0, 2] - delta[2, 0], delta[1, 0] - delta[0, 1]])
    length = np.linalg.norm(axis)
    if length < 1e-9:
        return first.copy()
    return first @ rodrigues(axis / length, float(angle * t))


def rodrigues(axis: Points, angle: float) -> Rotation:
    """Rotation by ``angle`` radians about the unit vector ``axis``."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross))
