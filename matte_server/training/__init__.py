"""Scenes, composites, training and evaluation of our own model."""
