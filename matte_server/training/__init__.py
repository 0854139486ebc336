"""Trains our own model: procedural scenes and composites, losses, the training loop, its benchmark and packaging.

Also renders the demo shot and the pictures of the docs. May import every room of matte_server; no room imports it,
and nothing that is installed needs it.
"""
