"""Matting models: their protocols, registry, weights, and one adapter each.

May import core, pixels and errors; frame and worker import it, and take models as protocols. Opens weights files
and nothing else. ``networks`` inside holds the networks themselves.
"""
