"""Renders the packaged demo shot: the room, the subject, its strands.

Run by hand with Blender's bpy; nothing of the product imports it.
"""
