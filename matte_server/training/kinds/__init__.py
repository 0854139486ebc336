"""Subjects of the kinds that a renderer of people lacks: gaps, fibres, glass, hard thin things; numpy and OpenCV.

Every picture follows from a seed. Training and the benchmark draw from disjoint seeds and disjoint variants of a
kind.
"""
