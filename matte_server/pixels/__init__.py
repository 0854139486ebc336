"""Whole-frame arithmetic: warp, difference, edges, foreground, smoothing.

Pure: torch tensors in and out on any device, never a trip to the host. May import core; models, frame and training
import it.
"""
