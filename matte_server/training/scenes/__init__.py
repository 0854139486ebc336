"""Renders subjects with true alpha: people, furniture, plants and furry animals on a transparent film.

Two halves. The pure half (numpy only) reads MakeHuman's geometry, decides what a seed means, deforms bodies
and grows hair; it is tested without Blender. The Blender half (``blend_*.py`` and ``worker.py``) turns those
arrays into objects, materials and light and renders them with Cycles; it runs in a subprocess with a Python
that has the ``bpy`` wheel.

Axes everywhere: metres, z up, the subject faces -y, as in Blender. MakeHuman's own files are decimetres, y up.
"""
