"""The stage: camera framed on the subject, an HDRI and a key light, and Cycles set for exact, cheap alpha."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .framing import CameraShot
from .recipes import View

# Irradiance that lands a mid reflectance near 0.2 on a scene-linear plate.
_LEVEL = 1.1


def set_up_render(view: View, width: int, height: int) -> None:
    """Resolution, film and sampling. No denoiser: colour and alpha come from the same samples and agree."""
    scene = bpy.context.scene
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.film_transparent = True
    render.threads_mode, render.threads = "FIXED", 1
    render.use_motion_blur = view.motion > 0
    render.use_persistent_data = False
    render.use_file_extension = False
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = view.samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False
    # One bounce: in hair each further one costs as much as the first and adds noise, and nothing to alpha.
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 1, 1, 1
    cycles.transmission_bounces, cycles.transparent_max_bounces = 1, 8
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 3.0
    cycles.sample_clamp_direct = 30.0
    cycles.film_transparent_glass = False
    scene.cycles_curves.shape = "RIBBONS"
    scene.cycles_curves.subdivisions = 1
    set_up_files("RGBA")


def set_up_files(channels: str) -> None:
    """Scene-linear half floats, ``RGB`` or ``RGBA``."""
    output = bpy.context.scene.render.image_settings
    if hasattr(output, "media_type"):
        output.media_type = "IMAGE"
    output.file_format, output.color_mode, output.color_depth, output.exr_codec = "OPEN_EXR", channels, "16", "ZIP"


def set_up_light(view: View, hdri: Path) -> None:
    """The HDRI, scaled so that subjects are exposed alike, and a key light where the view has one."""
    image = bpy.data.images.load(str(hdri / f"{view.hdri}.hdr"))
    surround(image, math.radians(view.hdri_turn), _LEVEL * 2.0**view.exposure / _mean_light(image))
    if view.key_light > 0:
        sun = bpy.data.lights.new("key", "SUN")
        sun.energy = view.key_light * 2.0**view.exposure
        sun.angle = math.radians(8)
        lamp = bpy.data.objects.new("key", sun)
        lamp.rotation_euler = (math.radians(50), 0.0, math.radians(view.key_azimuth))
        bpy.context.scene.collection.objects.link(lamp)


def surround(panorama: bpy.types.Image, turn: float, strength: float = 1.0) -> None:
    """The scene's world: an equirectangular ``panorama``, turned around z by ``turn`` radians."""
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    tree = world.node_tree
    background = tree.nodes["Background"]
    background.inputs["Strength"].default_value = strength
    sky = tree.nodes.new("ShaderNodeTexEnvironment")
    sky.image = panorama
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value[2] = turn
    place = tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(place.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs[0], sky.inputs["Vector"])
    tree.links.new(sky.outputs[0], background.inputs["Color"])
    bpy.context.scene.world = world


def _mean_light(image: bpy.types.Image) -> float:
    """Mean luminance over the sphere (rows weighed by the cosine of their latitude)."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    luminance = pixels.reshape(height, width, 4)[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    rows = np.cos((np.arange(height) + 0.5) / height * np.pi - np.pi / 2)
    return float((luminance.mean(axis=1) * rows).sum() / rows.sum())


def set_up_camera(view: View, shot: CameraShot) -> bpy.types.Object:
    """The camera of ``shot``; defocus and motion blur in pixels of the picture, as the view asks."""
    scene = bpy.context.scene
    data = bpy.data.cameras.new("camera")
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = shot.sensor
    data.lens = view.lens
    data.shift_x, data.shift_y = shot.shift
    data.clip_start, data.clip_end = 0.01, 100.0
    camera = bpy.data.objects.new("camera", data)
    axes = Matrix([[*row] for row in shot.axes.T.tolist()]).to_4x4()
    camera.matrix_world = Matrix.Translation(Vector(shot.place)) @ axes
    scene.collection.objects.link(camera)
    scene.camera = camera
    if view.defocus > 0:
        _defocus(data.dof, view, shot)
    if view.motion > 0:
        _move(camera, view, shot)
    return camera


def _defocus(field: bpy.types.CameraDOFSettings, view: View, shot: CameraShot) -> None:
    field.use_dof = True
    # Focus a third nearer than the subject; the aperture then gives the wanted circle of confusion.
    field.focus_distance = shot.distance * 0.67
    circle = view.defocus * shot.sensor / shot.width
    focal = view.lens
    spread = focal * focal * (shot.distance - field.focus_distance) * 1000
    spread /= shot.distance * 1000 * (field.focus_distance * 1000 - focal)
    field.aperture_fstop = max(0.05, spread / circle)


def _move(camera: bpy.types.Object, view: View, shot: CameraShot) -> None:
    """Moves the camera during the exposure, which blurs the picture by ``view.motion`` pixels."""
    scene = bpy.context.scene
    scene.render.motion_blur_shutter = 1.0
    pixel = shot.sensor / shot.width / view.lens  # of the subject's distance, per pixel
    reach = view.motion * pixel * shot.distance
    angle = math.radians(view.motion_angle)
    step = reach * (math.cos(angle) * shot.axes[0] + math.sin(angle) * shot.axes[1])
    start = camera.location.copy()
    camera.location = start - Vector(step) / 2
    camera.keyframe_insert("location", frame=0)
    camera.location = start + Vector(step) / 2
    camera.keyframe_insert("location", frame=2)
    scene.frame_set(1)
